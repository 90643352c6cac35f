"""The face networks that ship with the pack, in torch: YuNet finds faces, SFace recognises people."""
