"""The stages as commands: one file a stage."""
