-- A role that sees the rows of one client and nothing else, for whoever administers the database: for reports, say, or for
-- the client itself. It only reads: what is written goes through a server, whose tokens know clients too.
--
-- The database itself keeps the rows of others back, whatever is asked, by row-level security. For everybody else nothing
-- changes. To be run again after a `db migrate` that changed the schema.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE "{role}" NOLOGIN;
  END IF;
END $$;

BEGIN;
-- What everybody is granted stays as it is, and only the role is kept to its rows.
DROP POLICY IF EXISTS everyone ON run;
CREATE POLICY everyone ON run USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS everyone ON activity;
CREATE POLICY everyone ON activity USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS everyone ON reference;
CREATE POLICY everyone ON reference USING (true) WITH CHECK (true);

DROP POLICY IF EXISTS "{role}" ON run;
CREATE POLICY "{role}" ON run AS RESTRICTIVE TO "{role}" USING (client_id = '{client}');
DROP POLICY IF EXISTS "{role}" ON activity;
CREATE POLICY "{role}" ON activity AS RESTRICTIVE TO "{role}" USING (client_id = '{client}');
-- A reference is of the client whose record it is on; of which records there are, the policy above decides.
DROP POLICY IF EXISTS "{role}" ON reference;
CREATE POLICY "{role}" ON reference AS RESTRICTIVE TO "{role}" USING (EXISTS (SELECT FROM run WHERE run.id = reference.run));

ALTER TABLE run ENABLE ROW LEVEL SECURITY;
ALTER TABLE activity ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference ENABLE ROW LEVEL SECURITY;
COMMIT;

GRANT SELECT ON run, activity, reference, schema_version TO "{role}";
-- How long the log is, and whether it is whole, which whoever opens the ledger asks for.
GRANT SELECT (seq, until) ON head TO "{role}";
