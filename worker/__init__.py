"""What runs tasks: the Celery app, the event loop, the channels (SMS, e-mail), the CLI, the sandbox."""
