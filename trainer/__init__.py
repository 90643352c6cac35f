"""Photos of one person to a LoRA whose checkpoints are judged by likeness: training set, trainers, judge."""
