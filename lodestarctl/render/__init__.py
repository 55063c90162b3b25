"""From a verb's data to what a person reads.

Law: a render is a pure function from a message to blocks; two painters turn blocks into text, one for pipes and one
for terminals. Only the terminal's painter knows ``rich``.
"""
