-- Three roles, for whoever administers the database: `db migrate` does not run this file. Give one of them to the user of
-- each program. The names are an example.
--
-- A server that creates needs `runledger_writer`. `runledger_changer` may do all but create: the database itself answers
-- its creations with "permission denied" (I3). `runledger_reader` only reads. None of them may change the schema, and none
-- should hold `pg_signal_backend`: who cancels a commit that waits for its standby loses the promise of synchronous
-- replication.
CREATE ROLE runledger_reader NOLOGIN;
CREATE ROLE runledger_changer NOLOGIN;
CREATE ROLE runledger_writer NOLOGIN;

GRANT SELECT ON run, minted, reference, activity, token, tally, client_load, head, opening, delivery, lease, outbox,
    outbox_entry, removed_row, schema_version
  TO runledger_reader, runledger_changer, runledger_writer;

GRANT UPDATE ON run, tally, client_load, head, opening, token, delivery, lease, outbox, outbox_entry
  TO runledger_changer, runledger_writer;
GRANT INSERT ON reference, activity, client_load, opening, token, delivery, lease, outbox, outbox_entry, removed_row
  TO runledger_changer, runledger_writer;

-- An outbox that is begun anew forgets what it knew of rows elsewhere, and nothing of the ledger.
GRANT TRUNCATE ON outbox_entry TO runledger_changer, runledger_writer;

GRANT INSERT ON run, minted TO runledger_writer;
