"""What makes data and models; each stage is a module. Nothing here is imported when serving."""
