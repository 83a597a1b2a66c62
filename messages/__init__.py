"""The domain: Message and Delivery, their states, routing; and the store, which holds all the SQL.

Imports nothing of ours, knows no provider, no web framework and no Celery.
"""
