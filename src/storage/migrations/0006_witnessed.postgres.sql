-- Checkpoints that a witness has cosigned: the signatures stand in the note.
ALTER TABLE audit_checkpoint ADD COLUMN witnessed bigint;
CREATE INDEX audit_checkpoint_witnessed ON audit_checkpoint (shard, size) WHERE witnessed = 1;
