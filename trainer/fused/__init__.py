"""Kernels that do in one pass over memory what torch does in several, written in Triton for NVIDIA cards.

A UNet's own layers stay what they are wherever these do not run: a CPU, an AMD card, a machine without a C compiler.
"""
