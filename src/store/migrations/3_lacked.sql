-- Whether a job's last error is about something that was lacking here, such as room on the disk, and not
-- about what the job is to do.
ALTER TABLE jobs ADD COLUMN lacked BIGINT NOT NULL DEFAULT 0;
