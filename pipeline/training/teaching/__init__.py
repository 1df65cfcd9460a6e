"""Teachers: what scores a query's texts better than the model that is trained."""
