-- Keys of which there are several after the other (audit-2, bodies-2, …), as they were taken into use and retired. The first
-- ones are in use from the beginning, and stand here once they are retired. public_key: of those that sign.
CREATE TABLE key_generation (
    name TEXT NOT NULL PRIMARY KEY,
    used_from INTEGER NOT NULL,
    retired_at INTEGER,
    public_key BLOB
) STRICT, WITHOUT ROWID;
-- Which of them a replica has, and the number of the one under which it wraps contents.
ALTER TABLE replica ADD COLUMN keys TEXT;
ALTER TABLE replica ADD COLUMN contents_key INTEGER;
-- Nothing is wrapped anew under a key that was retired. What is inserted is asked by the writer, once a transaction: a trigger a row
-- takes a quarter of the time of the row.
CREATE TRIGGER body_key_update BEFORE UPDATE OF key_id ON body
WHEN EXISTS (SELECT 1 FROM key_generation WHERE name = 'bodies-' || NEW.key_id AND retired_at IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'the key of contents was retired'); END;
