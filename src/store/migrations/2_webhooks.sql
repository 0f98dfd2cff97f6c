-- The number of the last change of a job that webhooks were told of; one row, once there are any.
CREATE TABLE announced (last BIGINT NOT NULL);
