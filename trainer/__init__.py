"""Photos of one person to a LoRA whose checkpoints are judged by likeness: the training set, the trainers, the judge."""
