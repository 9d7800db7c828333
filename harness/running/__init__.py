"""Running: answers cells case by case, each method in a process that holds no truth."""
