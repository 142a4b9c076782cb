"""Where a model runs: bases by name, and the engines that complete prompts."""
