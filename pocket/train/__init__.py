"""How the pocket models were trained: one command a phase, resumable, on any number of GPUs of one machine."""
