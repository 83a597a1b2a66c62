"""From a Message and its template to what a channel sends. Knows no store, no provider and no Celery."""
