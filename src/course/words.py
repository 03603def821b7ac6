"""Small things of English that messages need."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, such as "1 fault", "0 faults" and "1,200 photographs"."""
    return f"{number:,} {noun}" + "s" * (number != 1)
