"""The domain, free of ComfyUI: photos, faces, identity, poses, tones and subjects."""
