-- Copies that the cluster made may go again when there are too many; what somebody put on a node stays there.

ALTER TABLE model_replicas ADD COLUMN placed boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN models.replicas_wanted IS 'NULL: the cluster''s default; 0: one on every node';
