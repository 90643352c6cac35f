"""The kernels. Sums are made in float32, without atomic additions, so that a pass gives the same bits every time.

Needs Triton to be imported. All tensors are contiguous; `rows` of a picture are its places, `C` its channels.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def silu(z):
    """z * sigmoid(z)."""
    return z * tl.sigmoid(z)


@triton.jit
def silu_slope(z):
    """The derivative of silu."""
    gate = tl.sigmoid(z)
    return gate * (1 + z * (1 - gate))


@triton.jit
def group_sums(
    x, above, factor, term, sums, N, C, CHUNK: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
    BACK: tl.constexpr, SILU: tl.constexpr,
):  # fmt: skip
    """Sum a chunk of rows of every channel into `sums` `[B, chunks, 2, C]`.

    Forward: x and its square. Back: the gradient before the activation, and that times x; `factor` and `term` `[B, C]`
    make the normalised x of x.
    """
    chunk, batch = tl.program_id(0), tl.program_id(2).to(tl.int64)
    col = tl.program_id(1) * COLS + tl.arange(0, COLS)
    inside = col < C
    first = tl.zeros((ROWS, COLS), tl.float32)
    second = tl.zeros((ROWS, COLS), tl.float32)
    if BACK:
        slope = tl.load(factor + batch * C + col, mask=inside, other=0.0)[None, :]
        offset = tl.load(term + batch * C + col, mask=inside, other=0.0)[None, :]
    for start in range(0, CHUNK, ROWS):
        row = chunk * CHUNK + start + tl.arange(0, ROWS)
        place = (batch * N + row)[:, None] * C + col[None, :]
        mask = (row < N)[:, None] & inside[None, :]
        value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
        if BACK:
            gradient = tl.load(above + place, mask=mask, other=0.0).to(tl.float32)
            if SILU:
                gradient *= silu_slope(value * slope + offset)
            first += gradient
            second += gradient * value
        else:
            first += value
            second += value * value
    out = sums + (batch * tl.num_programs(0) + chunk) * 2 * C + col
    tl.store(out, tl.sum(first, 0), mask=inside)
    tl.store(out + C, tl.sum(second, 0), mask=inside)


@triton.jit
def group_factors(
    sums, plus, weight, bias, mean, inverse, factor, term, N, C, each, epsilon, EACH: tl.constexpr, PLUS: tl.constexpr
):
    """Make of the sums `[B, 2, C]` each group's `mean` and `inverse` deviation, and each channel's `factor` and `term`.

    The sums are of x without the `plus` `[B, C]` that belongs to it.
    """
    group, batch = tl.program_id(0), tl.program_id(1).to(tl.int64)
    own = tl.arange(0, EACH)
    col = group * each + own
    inside = own < each
    first = tl.load(sums + batch * 2 * C + col, mask=inside, other=0.0)
    second = tl.load(sums + batch * 2 * C + C + col, mask=inside, other=0.0)
    extra = tl.zeros((EACH,), tl.float32)
    if PLUS:
        extra = tl.load(plus + batch * C + col, mask=inside, other=0.0).to(tl.float32)
        second += extra * (2 * first + extra * N)
        first += extra * N
    count = (each * N).to(tl.float32)
    centre = tl.sum(first, 0) / count
    square = tl.sum(second, 0) / count
    sharp = 1 / tl.sqrt(tl.maximum(square - centre * centre, 0.0) + epsilon)
    gain = tl.load(weight + col, mask=inside, other=0.0).to(tl.float32) * sharp
    shift = tl.load(bias + col, mask=inside, other=0.0).to(tl.float32)
    groups = tl.num_programs(0)
    tl.store(mean + batch * groups + group, centre)
    tl.store(inverse + batch * groups + group, sharp)
    tl.store(factor + batch * C + col, gain, mask=inside)
    tl.store(term + batch * C + col, shift + (extra - centre) * gain, mask=inside)


@triton.jit
def group_slopes(sums, plus, mean, inverse, factor, slope, offset, N, C, each, EACH: tl.constexpr, PLUS: tl.constexpr):
    """Make of the backward sums each channel's `slope` and `offset` `[B, C]`: gradient += x * slope + offset."""
    group, batch = tl.program_id(0), tl.program_id(1).to(tl.int64)
    own = tl.arange(0, EACH)
    col = group * each + own
    inside = own < each
    first = tl.load(sums + batch * 2 * C + col, mask=inside, other=0.0)
    second = tl.load(sums + batch * 2 * C + C + col, mask=inside, other=0.0)
    extra = tl.zeros((EACH,), tl.float32)
    if PLUS:
        extra = tl.load(plus + batch * C + col, mask=inside, other=0.0).to(tl.float32)
        second += extra * first
    gain = tl.load(factor + batch * C + col, mask=inside, other=0.0)
    plain = tl.sum(first * gain, 0)
    along = tl.sum(second * gain, 0)
    groups = tl.num_programs(0)
    centre = tl.load(mean + batch * groups + group)
    sharp = tl.load(inverse + batch * groups + group)
    count = (each * N).to(tl.float32)
    steep = -sharp * sharp * (along - centre * plain) / count
    level = -plain / count - steep * centre
    tl.store(slope + batch * C + col, tl.zeros((EACH,), tl.float32) + steep, mask=inside)
    tl.store(offset + batch * C + col, level + extra * steep, mask=inside)


@triton.jit
def group_apply(
    x, above, beside, factor, term, slope, offset, out, N, C, ROWS: tl.constexpr, COLS: tl.constexpr,
    BACK: tl.constexpr, SILU: tl.constexpr, BESIDE: tl.constexpr,
):  # fmt: skip
    """Write the normalised (and activated) rows, or back, the gradient of x, with what came `beside`."""
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(1) * COLS + tl.arange(0, COLS)
    inside = col < C
    place = (batch * N + row)[:, None] * C + col[None, :]
    mask = (row < N)[:, None] & inside[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    own = batch * C + col
    gain = tl.load(factor + own, mask=inside, other=0.0)[None, :]
    shift = tl.load(term + own, mask=inside, other=0.0)[None, :]
    answer = value * gain + shift
    if BACK:
        gradient = tl.load(above + place, mask=mask, other=0.0).to(tl.float32)
        if SILU:
            gradient *= silu_slope(answer)
        steep = tl.load(slope + own, mask=inside, other=0.0)[None, :]
        level = tl.load(offset + own, mask=inside, other=0.0)[None, :]
        answer = gradient * gain + value * steep + level
        if BESIDE:
            answer += tl.load(beside + place, mask=mask, other=0.0).to(tl.float32)
    elif SILU:
        answer = silu(answer)
    tl.store(out + place, answer, mask=mask)


@triton.jit
def add_norm(
    x, added, weight, bias, summed, normed, count, C, epsilon, ROWS: tl.constexpr, COLS: tl.constexpr,
    ADD: tl.constexpr,
):  # fmt: skip
    """Write `x + added` and its layer normalisation, a row of C numbers each."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    col = tl.arange(0, COLS)
    inside = col < C
    place = row[:, None] * C + col[None, :]
    mask = (row < count)[:, None] & inside[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    if ADD:
        value += tl.load(added + place, mask=mask, other=0.0).to(tl.float32)
        tl.store(summed + place, value, mask=mask)
    centred = tl.where(mask, value - tl.sum(value, 1)[:, None] / C, 0.0)
    sharp = 1 / tl.sqrt(tl.sum(centred * centred, 1) / C + epsilon)
    gain = tl.load(weight + col, mask=inside, other=0.0).to(tl.float32)[None, :]
    shift = tl.load(bias + col, mask=inside, other=0.0).to(tl.float32)[None, :]
    tl.store(normed + place, centred * sharp[:, None] * gain + shift, mask=mask)


@triton.jit
def add_norm_back(
    summed, weight, above, beside, out, count, C, epsilon, ROWS: tl.constexpr, COLS: tl.constexpr,
    BESIDE: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the sum: what comes through the normalisation, and what came `beside` it."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    col = tl.arange(0, COLS)
    inside = col < C
    place = row[:, None] * C + col[None, :]
    mask = (row < count)[:, None] & inside[None, :]
    value = tl.load(summed + place, mask=mask, other=0.0).to(tl.float32)
    centred = tl.where(mask, value - tl.sum(value, 1)[:, None] / C, 0.0)
    sharp = (1 / tl.sqrt(tl.sum(centred * centred, 1) / C + epsilon))[:, None]
    centred *= sharp
    gain = tl.load(weight + col, mask=inside, other=0.0).to(tl.float32)[None, :]
    gradient = tl.load(above + place, mask=mask, other=0.0).to(tl.float32) * gain
    plain = tl.sum(gradient, 1)[:, None] / C
    along = tl.sum(gradient * centred, 1)[:, None] / C
    answer = sharp * (gradient - plain - centred * along)
    if BESIDE:
        answer += tl.load(beside + place, mask=mask, other=0.0).to(tl.float32)
    tl.store(out + place, answer, mask=mask)


@triton.jit
def gated(x, out, count, half, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Write the first half of each row of 2 * half numbers, times gelu of the second."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(1) * COLS + tl.arange(0, COLS)
    mask = (row < count)[:, None] & (col < half)[None, :]
    place = row[:, None] * 2 * half + col[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + place + half, mask=mask, other=0.0).to(tl.float32)
    share = 0.5 * (1 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + row[:, None] * half + col[None, :], value * gate * share, mask=mask)


@triton.jit
def gated_back(x, above, out, count, half, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Write the gradient of both halves."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(1) * COLS + tl.arange(0, COLS)
    mask = (row < count)[:, None] & (col < half)[None, :]
    place = row[:, None] * 2 * half + col[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + place + half, mask=mask, other=0.0).to(tl.float32)
    gradient = tl.load(above + row[:, None] * half + col[None, :], mask=mask, other=0.0).to(tl.float32)
    share = 0.5 * (1 + tl.erf(gate * 0.7071067811865476))
    bell = tl.exp(-0.5 * gate * gate) * 0.3989422804014327
    tl.store(out + place, gradient * gate * share, mask=mask)
    tl.store(out + place + half, gradient * value * (share + gate * bell), mask=mask)


@triton.jit
def merge(weight, change, out, count, step, SIZE: tl.constexpr):
    """Write bfloat16 of `weight + change`, rounded up or down by a number that belongs to the place.

    Plain rounding would lose a change smaller than half of the weight's last bit in every place; so it is kept in the
    mean over places, and where the change is zero the weight comes out as it was. The second axis of programs counts
    changes of one weight, whose answers begin `step` numbers apart.
    """
    person = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = place < count
    exact = tl.load(weight + place, mask=mask, other=0.0).to(tl.float32)
    exact += tl.load(change + person * count + place, mask=mask, other=0.0).to(tl.float32)
    mixed = place.to(tl.uint32) * 0x9E3779B1
    mixed = (mixed ^ (mixed >> 15)) * 0x85EBCA77
    mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE3D
    bits = exact.to(tl.uint32, bitcast=True) + (mixed >> 16)
    kept = (bits & 0xFFFF0000).to(tl.float32, bitcast=True)
    tl.store(out + person * step + place, kept.to(tl.bfloat16), mask=mask)
