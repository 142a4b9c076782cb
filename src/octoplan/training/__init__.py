"""Fine-tuning of the planner and of the action model; needs ``pip install 'octoplan[train]'``."""
