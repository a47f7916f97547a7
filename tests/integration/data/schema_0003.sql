-- Rows of the schema at migration 0003: a user, and an order for each way a payment can go.
-- :now and :body are parameters, one statement a line.

INSERT INTO users (id, username, username_key, password, created_at) VALUES ('u', 'Kira', 'kira', 'hash', :now);
INSERT INTO items (id, sku, name, description, price, currency, kind, image, status, created_at) VALUES (1, 'potion', 'Potion', '', 1000, 'USD', 'consumable', '', 'active', :now);
INSERT INTO orders (id, number, user_id, status, total, currency, needs_attention, created_at, expires_at, checks, updated_at) VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'Na', 'u', 'paid', 1000, 'USD', '', :now, :now, 0, :now);
INSERT INTO orders (id, number, user_id, status, total, currency, needs_attention, created_at, expires_at, checks, updated_at) VALUES ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'Nb', 'u', 'partially_refunded', 1000, 'USD', '', :now, :now, 0, :now);
INSERT INTO orders (id, number, user_id, status, total, currency, needs_attention, created_at, expires_at, checks, updated_at) VALUES ('cccccccccccccccccccccccccccccccc', 'Nc', 'u', 'charged_back', 1000, 'USD', '', :now, :now, 0, :now);
INSERT INTO orders (id, number, user_id, status, total, currency, needs_attention, created_at, expires_at, checks, updated_at) VALUES ('dddddddddddddddddddddddddddddddd', 'Nd', 'u', 'failed', 1000, 'USD', '', :now, :now, 0, :now);
INSERT INTO payment_attempts (id, order_id, number, provider_order_id, payment_url, declined_at, created_at) VALUES (1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1, '689810880', 'http://pay/?token=1', NULL, :now);
INSERT INTO payment_attempts (id, order_id, number, provider_order_id, payment_url, declined_at, created_at) VALUES (2, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 1, NULL, 'http://pay/?token=2', NULL, :now);
INSERT INTO payment_attempts (id, order_id, number, provider_order_id, payment_url, declined_at, created_at) VALUES (3, 'cccccccccccccccccccccccccccccccc', 1, NULL, 'http://pay/?token=3', NULL, :now);
INSERT INTO payment_attempts (id, order_id, number, provider_order_id, payment_url, declined_at, created_at) VALUES (4, 'dddddddddddddddddddddddddddddddd', 1, '689810881', 'http://pay/?token=4', :now, :now);
INSERT INTO payment_attempts (id, order_id, number, provider_order_id, payment_url, declined_at, created_at) VALUES (5, 'dddddddddddddddddddddddddddddddd', 2, '689810882', 'http://pay/?token=5', :now, :now);
INSERT INTO payments (id, order_id, kind, amount, currency, charged, transaction_id, provider_order_id, provider_id, at) VALUES (1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'payment', 1000, 'USD', 1250, 'T1', '689810880', 'T1', :now);
INSERT INTO payments (id, order_id, kind, amount, currency, charged, transaction_id, provider_order_id, provider_id, at) VALUES (2, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'payment', 1000, 'USD', 0, 'T2', '', 'T2', :now);
INSERT INTO payments (id, order_id, kind, amount, currency, charged, transaction_id, provider_order_id, provider_id, at) VALUES (3, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'partial_refund', -400, 'USD', -400, 'T2', '', 'T2:part', :now);
INSERT INTO payments (id, order_id, kind, amount, currency, charged, transaction_id, provider_order_id, provider_id, at) VALUES (4, 'cccccccccccccccccccccccccccccccc', 'payment', 1000, 'USD', 0, 'T3', '', 'T3', :now);
INSERT INTO payments (id, order_id, kind, amount, currency, charged, transaction_id, provider_order_id, provider_id, at) VALUES (5, 'cccccccccccccccccccccccccccccccc', 'chargeback', -1000, 'USD', 0, 'T3', '', 'T3', :now);
INSERT INTO webhook_deliveries (id, received_at, notification_type, transaction_id, order_id, verdict, reason, answered, took_ms, headers, body) VALUES (1, :now, 'order_paid', 'T1', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'done', 'why', 204, 3, '{}', :body);
INSERT INTO webhook_deliveries (id, received_at, notification_type, transaction_id, order_id, verdict, reason, answered, took_ms, headers, body) VALUES (2, :now, 'refund', 'T9', NULL, 'unmatched', 'why', 204, 3, '{}', :body);
INSERT INTO webhook_deliveries (id, received_at, notification_type, transaction_id, order_id, verdict, reason, answered, took_ms, headers, body) VALUES (3, :now, '', '', NULL, 'bad_signature', 'why', 400, 3, '{}', :body);
INSERT INTO webhook_deliveries (id, received_at, notification_type, transaction_id, order_id, verdict, reason, answered, took_ms, headers, body) VALUES (4, :now, 'payment', 'T4', 'dddddddddddddddddddddddddddddddd', 'failed', 'why', 503, 3, '{}', :body);
