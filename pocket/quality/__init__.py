"""What the shipped pocket models can do: every figure measured through a real ComfyUI, with the pictures."""
