-- A ledger that is being taken over from another store says up to which line, until the last part of that is there.
--
-- Meanwhile it takes no line but those of parts, whichever server or program wants one written: it would make another ledger
-- of it, to which the rest does not fit (I6). Whoever takes it over clears the column, writes, and sets it again, in one
-- transaction that holds the row.
ALTER TABLE head ADD COLUMN until bigint;

CREATE OR REPLACE FUNCTION ledger_head_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq < OLD.seq OR NEW.record < OLD.record THEN
    RAISE EXCEPTION 'the log only grows (I6)' USING ERRCODE = 'RL002';
  END IF;
  IF OLD.until IS NOT NULL AND NEW.seq <> OLD.seq THEN
    RAISE EXCEPTION 'it is being taken over, up to line % of its log, and not whole yet; run the same `runledger import ledger` again, which goes on where it was',
      OLD.until USING ERRCODE = 'RL004';
  END IF;
  RETURN NEW;
END $$;
