MERGE (c:Component {map: 'shop', id: 'web'}) SET c.kind = 'gateway', c.replicas = 2, c.cpu_millicores = 250, c.memory_bytes = 134217728, c.image = 'shop/web', c.version = '1.4.0';
MERGE (c:Component {map: 'shop', id: 'Orders_DB'}) SET c.kind = 'database', c.replicas = 3, c.cpu_millicores = 1000, c.memory_bytes = 2147483648, c.image = 'postgres', c.version = '17';
MERGE (c:Component {map: 'shop', id: 'report'}) SET c.kind = 'batch', c.replicas = 1, c.cpu_millicores = 0, c.memory_bytes = 0, c.image = 'shop/report', c.version = 'sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a';
MERGE (c:Component {map: 'shop', id: 'mail.example.org'}) SET c.kind = 'external', c.replicas = 1, c.cpu_millicores = 0, c.memory_bytes = 0;
MATCH (a:Component {map: 'shop', id: 'web'}), (b:Component {map: 'shop', id: 'Orders_DB'}) MERGE (a)-[r:CALLS]->(b) SET r.strength = 'hard', r.mode = 'synchronous', r.confidence = 'high', r.port = 5432;
MATCH (a:Component {map: 'shop', id: 'web'}), (b:Component {map: 'shop', id: 'Orders_DB'}) MERGE (a)-[r:START_AFTER]->(b) SET r.strength = 'hard', r.mode = 'synchronous', r.confidence = 'high';
MATCH (a:Component {map: 'shop', id: 'report'}), (b:Component {map: 'shop', id: 'Orders_DB'}) MERGE (a)-[r:USES_DATA_OF]->(b) SET r.strength = 'hard', r.mode = 'synchronous', r.confidence = 'high';
MATCH (a:Component {map: 'shop', id: 'web'}), (b:Component {map: 'shop', id: 'mail.example.org'}) MERGE (a)-[r:CALLS]->(b) SET r.strength = 'hard', r.mode = 'synchronous', r.confidence = 'high';
MATCH (a:Component {map: 'shop', id: 'report'}), (b:Component {map: 'shop', id: 'Orders_DB'}) MERGE (a)-[r:SHARES_VOLUME_WITH]->(b) SET r.strength = 'hard', r.mode = 'synchronous', r.confidence = 'high';
