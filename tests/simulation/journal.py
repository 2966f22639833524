"""What the database of the simulation writes down beside its tables, for the checkers: by triggers, so that no code can forget it."""

from typing import Final

JOURNAL: Final = """
CREATE TEMP TABLE log (
  seq INTEGER PRIMARY KEY, at REAL, kind TEXT, id TEXT, version INTEGER, state INTEGER, trigger_rule TEXT, anchor INTEGER, due INTEGER,
  skip_before INTEGER, was INTEGER, owner TEXT
);
CREATE INDEX temp.log_id ON log (id);
CREATE TEMP TRIGGER alarm_made AFTER INSERT ON main.alarms BEGIN
  INSERT INTO log (at, kind, id, version, state, trigger_rule, anchor, due, skip_before)
  VALUES (sim_time(), 'alarm', NEW.id, NEW.version, NEW.state, NEW.trigger_rule, NEW.anchor_at, NEW.next_fire_at, NEW.skip_before);
END;
CREATE TEMP TRIGGER alarm_changed AFTER UPDATE ON main.alarms WHEN NEW.version <> OLD.version BEGIN
  INSERT INTO log (at, kind, id, version, state, trigger_rule, anchor, due, skip_before, was)
  VALUES (sim_time(), 'alarm', NEW.id, NEW.version, NEW.state, NEW.trigger_rule, NEW.anchor_at, NEW.next_fire_at, NEW.skip_before,
    OLD.state);
END;
CREATE TEMP TRIGGER alarm_gone AFTER DELETE ON main.alarms BEGIN
  INSERT INTO log (at, kind, id, version, was) VALUES (sim_time(), 'gone', OLD.id, OLD.version, OLD.state);
END;
CREATE TEMP TRIGGER firing_made AFTER INSERT ON main.firings BEGIN
  INSERT INTO log (at, kind, id, state, owner, was)
  VALUES (
    sim_time(), 'firing', NEW.id, NEW.state, (SELECT owner FROM shards WHERE shard = NEW.shard),
    CASE WHEN NEW.state = 1 AND (NEW.flags & 4) = 4 AND NEW.origin IN (0, 4, 5) THEN (
      SELECT count(*) FROM firings
      WHERE alarm = NEW.alarm AND id <> NEW.id AND state IN (1, 2) AND (flags & 4) = 4 AND origin IN (0, 4, 5)
    ) END
  );
END;
CREATE TEMP TRIGGER firing_changed AFTER UPDATE OF state ON main.firings BEGIN
  INSERT INTO log (at, kind, id, was, state) VALUES (sim_time(), 'change', NEW.id, OLD.state, NEW.state);
END;
CREATE TEMP TRIGGER firing_gone AFTER DELETE ON main.firings BEGIN
  INSERT INTO log (at, kind, id, was) VALUES (sim_time(), 'forgotten', OLD.id, OLD.state);
END;
CREATE TEMP TABLE outside (
  seq INTEGER PRIMARY KEY, txn INTEGER, at REAL, kind TEXT, id TEXT, tenant TEXT, key TEXT, number INTEGER, text TEXT, due INTEGER,
  since INTEGER, stamp INTEGER, body BLOB
);
CREATE TEMP TRIGGER outside_made AFTER INSERT ON main.alarms BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant, key, number, text, due, since, stamp) VALUES (
    sim_transaction(), sim_time(), 'made', NEW.id, NEW.tenant, NEW.key, NEW.state, NEW.trigger_rule, NEW.next_fire_at, NEW.rule_since,
    NEW.updated_at);
END;
CREATE TEMP TRIGGER outside_changed AFTER UPDATE ON main.alarms
WHEN NEW.version <> OLD.version OR substr(NEW.trigger_rule, 3, 5) IN ('event', 'thres', 'heart') BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant, key, number, text, due, since, stamp) VALUES (
    sim_transaction(), sim_time(), 'changed', NEW.id, NEW.tenant, NEW.key, NEW.state, NEW.trigger_rule, NEW.next_fire_at, NEW.rule_since,
    NEW.updated_at);
END;
CREATE TEMP TRIGGER outside_gone AFTER DELETE ON main.alarms BEGIN
  INSERT INTO outside (txn, at, kind, id) VALUES (sim_transaction(), sim_time(), 'gone', OLD.id);
END;
CREATE TEMP TRIGGER outside_came AFTER INSERT ON main.inbound BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant, key, number, text, due, since, stamp, body) VALUES (
    sim_transaction(), sim_time(),
    CASE NEW.kind WHEN 1 THEN 'event' WHEN 2 THEN 'reading' ELSE 'ping' END, CASE NEW.kind WHEN 1 THEN NEW.event_id ELSE NEW.id END,
    NEW.tenant, NEW.source, NEW.rest IS NULL, NEW.topic, NEW.happened_at, NULL, NEW.received_at, NEW.data);
END;
CREATE TEMP TRIGGER outside_finished AFTER UPDATE OF rest ON main.inbound WHEN NEW.rest IS NULL BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant) VALUES (sim_transaction(), sim_time(), 'finished', NEW.event_id, NEW.tenant);
END;
CREATE TEMP TRIGGER outside_seen AFTER UPDATE OF seen_at ON main.signals BEGIN
  INSERT INTO outside (txn, at, kind, id, stamp) VALUES (sim_transaction(), sim_time(), 'seen', NEW.alarm, NEW.seen_at);
END;
CREATE TEMP TRIGGER outside_beat AFTER INSERT ON main.pings BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant, key, number, due, stamp) VALUES (
    sim_transaction(), sim_time(), 'beat', NEW.alarm, NEW.tenant, NEW.run_id, NEW.kind, NEW.sent_at, NEW.received_at);
END;
CREATE TEMP TRIGGER outside_let_go AFTER INSERT ON main.firings WHEN NEW.origin BETWEEN 4 AND 6 BEGIN
  INSERT INTO outside (txn, at, kind, id, tenant, key, number, due, stamp, body) VALUES (
    sim_transaction(), sim_time(), 'firing', NEW.alarm, NEW.tenant, NEW.id, NEW.origin, NEW.due_at,
    coalesce(NEW.fired_at, NEW.completed_at), NEW.context);
END;
CREATE TEMP TABLE told (
  seq INTEGER PRIMARY KEY, at REAL, kind TEXT, id TEXT, tenant TEXT, number INTEGER, stamp INTEGER, firing TEXT, text TEXT, since INTEGER,
  until INTEGER, body BLOB, txn INTEGER, actor TEXT, note TEXT
);
CREATE TEMP TRIGGER told_event AFTER INSERT ON main.incident_events BEGIN
  INSERT INTO told (at, kind, id, tenant, number, stamp, firing, text, since, txn, actor, note)
  VALUES (sim_time(), 'event', NEW.incident, NEW.tenant, NEW.kind, NEW.happened_at, NEW.firing, NEW.request_id, NEW.step,
    sim_transaction(), NEW.actor, NEW.note);
END;
CREATE TEMP TRIGGER told_silence AFTER INSERT ON main.silences BEGIN
  INSERT INTO told (at, kind, id, tenant, since, until, text, txn, note)
  VALUES (sim_time(), 'silence', NEW.id, NEW.tenant, NEW.start_at, NEW.end_at, NEW.matchers, sim_transaction(), NEW.comment);
END;
CREATE TEMP TRIGGER told_silence_changed AFTER UPDATE ON main.silences BEGIN
  INSERT INTO told (at, kind, id, tenant, since, until, text, txn, note)
  VALUES (sim_time(), 'silence', NEW.id, NEW.tenant, NEW.start_at, NEW.end_at, NEW.matchers, sim_transaction(), NEW.comment);
END;
CREATE TEMP TRIGGER told_rule AFTER INSERT ON main.incident_rules BEGIN
  INSERT INTO told (at, kind, id, tenant, number, text, txn)
  VALUES (sim_time(), 'rule', NEW.id, NEW.tenant, NEW.kind, NEW.document, sim_transaction());
END;
CREATE TEMP TRIGGER told_rule_changed AFTER UPDATE ON main.incident_rules BEGIN
  INSERT INTO told (at, kind, id, tenant, number, text, txn)
  VALUES (sim_time(), 'rule', NEW.id, NEW.tenant, NEW.kind, NEW.document, sim_transaction());
END;
CREATE TEMP TRIGGER told_rule_gone AFTER DELETE ON main.incident_rules BEGIN
  INSERT INTO told (at, kind, id, tenant, number, text, txn)
  VALUES (sim_time(), 'rule', OLD.id, OLD.tenant, OLD.kind, '', sim_transaction());
END;
CREATE TEMP TRIGGER told_firing AFTER INSERT ON main.firings WHEN NEW.origin = 7 BEGIN
  INSERT INTO told (at, kind, id, tenant, stamp, since, body, txn, note)
  VALUES (sim_time(), 'firing', NEW.id, NEW.tenant, NEW.fired_at, NEW.due_at, NEW.action, sim_transaction(), NEW.reason);
END;
"""
"""Notes every change that somebody asked for, every change of a firing, and all that came from outside, in the order of the commits.

``log`` is of alarms and firings. ``outside`` is of what waits for something from outside, of what came, and of what that fired; the rows
of one transaction have its number (``txn``). ``told`` is of incidents: what happened to them, silences, routes and
dependencies, and the firings that tell people.
"""
