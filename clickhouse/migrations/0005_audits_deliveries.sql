-- Names that outsiders rely on; they fill when the gateway and the notifier do.
CREATE TABLE IF NOT EXISTS audit_rows
(
    audit_id String,
    infno LowCardinality(String) COMMENT '3101 or 3102',
    asked_at DateTime64(3, '${timezone}'),
    psn_no String,
    fixmedins_code LowCardinality(String),
    light LowCardinality(String) COMMENT 'empty when nothing was found',
    rule_ids Array(String),
    undecided Bool,
    took_ms Float64,
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(asked_at)
ORDER BY (toStartOfHour(asked_at), audit_id);

CREATE VIEW IF NOT EXISTS audits AS SELECT * FROM audit_rows FINAL;

CREATE TABLE IF NOT EXISTS delivery_rows
(
    alert_id String,
    revision UInt32,
    receiver LowCardinality(String),
    state LowCardinality(String) COMMENT 'delivered, failed or given_up',
    attempts UInt32,
    status UInt16 COMMENT 'HTTP status of the last attempt, 0 without an answer',
    attempted_at DateTime64(3, '${timezone}'),
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(attempts)
ORDER BY (alert_id, revision, receiver);

CREATE VIEW IF NOT EXISTS deliveries AS SELECT * FROM delivery_rows FINAL;
