"""How the pocket models were trained: one command a stage, resumable, on any number of GPUs of one machine."""
