"""django-post_office: e-mails queued in a database, sent by `manage.py send_queued_mail --processes 2`."""
