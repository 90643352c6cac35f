"""The web studio: photos in, portraits out, for people who never open ComfyUI.

`storage` keeps rows and files, `accounts` says who somebody is, `people` is about those on the photos: consent,
retention, export and deletion. `work` makes the pictures over the runner. `api` and `pages` are the two doors. It
stands on runner/ and portrait/; nothing of the project stands on it but the command `serve`.
"""
