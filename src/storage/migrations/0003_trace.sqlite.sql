-- The trace in which an item was accepted (W3C traceparent): its deliveries belong to it.
ALTER TABLE outbox ADD COLUMN traceparent TEXT;
