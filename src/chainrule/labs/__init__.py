"""x"""
LABS = ("gates",)
