-- Keys of which there are several after the other (audit-2, bodies-2, …), as they were taken into use and retired. The first
-- ones are in use from the beginning, and stand here once they are retired. public_key: of those that sign.
CREATE TABLE key_generation (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    used_from bigint NOT NULL,
    retired_at bigint,
    public_key bytea
);
-- Which of them a replica has, and the number of the one under which it wraps contents.
ALTER TABLE replica ADD COLUMN keys text COLLATE "C";
ALTER TABLE replica ADD COLUMN contents_key bigint;
-- Nothing comes under a key that was retired, whoever still believes that it is in use: it is about to be destroyed.
CREATE FUNCTION body_key_in_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM key_generation WHERE retired_at IS NOT NULL
               AND name IN (SELECT 'bodies-' || key_id FROM written)) THEN
        RAISE EXCEPTION 'the key of contents was retired';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER body_key_insert AFTER INSERT ON body REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION body_key_in_use();
CREATE TRIGGER body_key_update AFTER UPDATE ON body REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION body_key_in_use();
