package e2e

import "slices"

// requests are what is asked with HTTP/1.1 and is not the v2 API.
var requests = []group{
	{"keys", requesting(jsonKeys)},
	{"leases", requesting(jsonLeases)},
	{"locks and elections", requesting(jsonConcurrency)},
	{"watches", requesting(jsonWatches)},
	{"WebSockets", webSockets},
	{"cluster", requesting(jsonCluster)},
	{"users", requesting(jsonUsers)},
	{"going on", expecting},
	{"service", requesting(service)},
	{"odd", requesting(slices.Concat(oddBodies, oddPaths))},
}

// What stands between < and > is sent in base64.
var jsonKeys = []query{
	{line: "POST /v3/kv/put", body: `{"key":"<a/1>","value":"<one>"}`, want: `"revision":"2"`},
	{line: "POST /v3/kv/put", body: `{"key":"<a/1>","value":"<two>","prev_kv":true}`, want: `"prev_kv"`},
	{line: "POST /v3/kv/put", body: `{"key":"<a/2>","value":"<three>"}`, want: `"revision":"4"`},
	{line: "POST /v3/kv/put", body: `{"key":"","value":""}`, want: "key is not provided"},
	{line: "POST /v3/kv/put", body: `{"key":"<a/3>","value":"<v>","lease":"99"}`, want: "requested lease not found"},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/>","range_end":"<a0>","sort_order":"DESCEND","sort_target":"MOD"}`, want: `"count":"2"`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/>","range_end":"<a0>","count_only":true}`, want: `"count":"2"`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/>","range_end":"<a0>","keys_only":true,"limit":1}`, want: `"more":true`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>","revision":2,"serializable":true}`, want: `"b25l"`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>","revision":99}`, want: "future revision"},
	{line: "POST /v3/kv/range", body: `{"key":"<nothing>"}`, want: `{"header"`},
	{line: "POST /v3beta/kv/range", body: `{"key":"<a/1>"}`, want: `"count":"1"`},
	{line: "POST /v3/kv/txn", want: `"succeeded":true`, body: `{"compare":[{"key":"<a/1>","target":"VALUE","value":"<two>"}],` +
		`"success":[{"request_put":{"key":"<t>","value":"<v>"}},{"request_range":{"key":"<a/1>"}}],"failure":[]}`},
	{line: "POST /v3/kv/txn", want: `"response_range"`, body: `{"compare":[{"key":"<t>","target":"VERSION","version":"7"}],` +
		`"success":[],"failure":[{"request_range":{"key":"<t>"}}]}`},
	{line: "POST /v3/kv/deleterange", body: `{"key":"<t>","prev_kv":true}`, want: `"deleted":"1"`},
	{line: "POST /v3/kv/deleterange", body: `{"key":"<t>"}`, want: `{"header"`},
	{line: "POST /v3/kv/compaction", body: `{"revision":3}`, want: `{"header"`},
	{line: "POST /v3/kv/compaction", body: `{"revision":3,"physical":true}`, want: "has been compacted"},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>","revision":2}`, want: "has been compacted"},
}

var jsonLeases = []query{
	{line: "POST /v3/lease/grant", body: `{"TTL":600,"ID":7}`, want: `"ID":"7"`},
	{line: "POST /v3/lease/grant", body: `{"TTL":600,"ID":7}`, want: "lease already exists"},
	{line: "POST /v3/lease/grant", body: `{"TTL":600,"ID":8}`, want: `"TTL":"600"`},
	{line: "POST /v3/lease/grant", body: `{"TTL":600}`, learn: `"ID":"(?P<id>\d+)"`, want: `"ID":"<id>"`},
	{line: "POST /v3/lease/grant", body: `{"TTL":10000000000}`, want: "too large lease TTL"},
	{line: "POST /v3/kv/put", body: `{"key":"<l>","value":"<v>","lease":8}`, want: `{"header"`},
	{line: "POST /v3/lease/keepalive", body: `{"ID":8}`, want: `"TTL":"600"`},
	{line: "POST /v3/lease/keepalive", body: `{"ID":99}`, want: `"ID":"99"`},
	{line: "POST /v3/lease/timetolive", body: `{"ID":8,"keys":true}`, want: `"keys":["bA=="]`},
	{line: "POST /v3/lease/timetolive", body: `{"ID":99}`, want: `"TTL":"-1"`},
	{line: "POST /v3/kv/lease/timetolive", body: `{"ID":8}`, want: `"grantedTTL":"600"`},
	{line: "POST /v3/lease/revoke", body: `{"ID":$id}`, want: `{"header"`},
	{line: "POST /v3/lease/leases", body: `{}`, want: `{"ID":"7"}`},
	{line: "POST /v3/lease/revoke", body: `{"ID":8}`, want: `{"header"`},
	{line: "POST /v3/lease/revoke", body: `{"ID":8}`, want: "requested lease not found"},
}

var jsonConcurrency = []query{
	{line: "POST /v3/lock/lock", body: `{"name":"<m>","lease":7}`, want: `"key":"bS83"`},
	{line: "POST /v3/lock/lock", body: `{"name":"<m>","lease":99}`, want: "requested lease not found"},
	{line: "POST /v3/lock/unlock", body: `{"key":"bS83"}`, want: `{"header"`},
	{line: "POST /v3/election/campaign", body: `{"name":"<e>","lease":7,"value":"<me>"}`, want: `"leader":{`, note: `"rev":"(?P<elected>\d+)"`},
	{line: "POST /v3/election/leader", body: `{"name":"<e>"}`, want: `"bWU="`},
	{line: "POST /v3/election/proclaim", body: `{"leader":{"name":"<e>","key":"ZS83","rev":$elected,"lease":7},"value":"<you>"}`, want: `{"header"`},
	{line: "POST /v3/election/observe", body: `{"name":"<e>"}`, events: 1, want: `"value":"eW91"`},
	{line: "POST /v3/election/resign", body: `{"leader":{"name":"<e>","key":"ZS83","rev":$elected,"lease":7}}`, want: `{"header"`},
	{line: "POST /v3/election/leader", body: `{"name":"<e>"}`, want: "election: no leader"},
	{line: "POST /v3/election/proclaim", body: `{"value":"<you>"}`, want: "leader"},
}

var jsonWatches = []query{
	{line: "POST /v3/kv/put", body: `{"key":"<w>","value":"<one>"}`, want: `{"header"`, note: `"revision":"(?P<start>\d+)"`},
	{line: "POST /v3/kv/put", body: `{"key":"<w>","value":"<two>"}`, want: `{"header"`},
	{line: "POST /v3/watch", body: `{"create_request":{"key":"<w>","start_revision":$start}}`, events: 2, want: `"created":true`},
	{line: "POST /v3/watch", body: `{"create_request":{"key":"<w>","start_revision":$start,"prev_kv":true,"filters":["NODELETE"]}}`, events: 2, want: `"prev_kv"`},
	{line: "POST /v3/watch", body: `{"create_request":{"key":"<w>","start_revision":1}}`, events: 2, want: `"compact_revision"`},
	{line: "POST /v3/watch", body: `{"create_request":{"key":"<w>","watch_id":5}}{"cancel_request":{"watch_id":5}}`, events: 2, want: `"canceled":true`},
}

var jsonCluster = []query{
	{line: "POST /v3/cluster/member/list", body: `{}`, want: `"clientURLs":["http://HOST"]`},
	{line: "POST /v3/cluster/member/list", body: `{"linearizable":true}`, want: `"name":"test"`},
	{line: "POST /v3/cluster/member/add", body: `{"peerURLs":["http://127.0.0.1:0"]}`, want: "Peer URLs already exists"},
	{line: "POST /v3/cluster/member/remove", body: `{"ID":99}`, want: "member not found"},
	{line: "POST /v3/cluster/member/promote", body: `{"ID":99}`, want: "member not found"},
	{line: "POST /v3/maintenance/alarm", body: `{"action":"GET"}`, want: `{"header"`},
	{line: "POST /v3/maintenance/alarm", body: `{"action":"ACTIVATE","alarm":"NOSPACE","memberID":1}`, want: `"NOSPACE"`},
	{line: "POST /v3/kv/put", body: `{"key":"<full>","value":"<v>"}`, want: "database space exceeded"},
	{line: "GET /health", want: `"health":"false"`},
	{line: "GET /health?exclude=NOSPACE", want: `"health":"true"`},
	{line: "POST /v3/maintenance/alarm", body: `{"action":"DEACTIVATE","alarm":"NOSPACE","memberID":1}`, want: `"NOSPACE"`},
	{line: "POST /v3/maintenance/status", body: `{}`, want: `"dbSize":`},
	{line: "POST /v3/maintenance/hash", body: `{}`, want: `"hash":`},
	{line: "POST /v3/maintenance/hashkv", body: `{}`, want: `"hash":`},
	{line: "POST /v3/maintenance/defragment", body: `{}`, want: "200 OK"},
	{line: "POST /v3/maintenance/transfer-leadership", body: `{"targetID":99}`, want: "bad leader transferee"},
}

var jsonUsers = []query{
	{line: "POST /v3/auth/status", body: `{}`, want: `{"header"`},
	{line: "POST /v3/auth/enable", body: `{}`, want: "root user does not exist"},
	{line: "POST /v3/auth/user/add", body: `{"name":"root","password":"secret"}`, want: `{"header"`},
	{line: "POST /v3/auth/user/add", body: `{"name":"alice","password":"wonder"}`, want: `{"header"`},
	{line: "POST /v3/auth/user/add", body: `{"name":"alice","password":"again"}`, want: "user name already exists"},
	{line: "POST /v3/auth/role/add", body: `{"name":"root"}`, want: `{"header"`},
	{line: "POST /v3/auth/role/add", body: `{"name":"reader"}`, want: `{"header"`},
	{line: "POST /v3/auth/role/grant", body: `{"name":"reader","perm":{"permType":"READ","key":"<a/>","range_end":"<a0>"}}`, want: `{"header"`},
	{line: "POST /v3/auth/role/get", body: `{"role":"reader"}`, want: `"perm"`},
	{line: "POST /v3/auth/role/list", body: `{}`, want: `"reader"`},
	{line: "POST /v3/auth/user/grant", body: `{"user":"root","role":"root"}`, want: `{"header"`},
	{line: "POST /v3/auth/user/grant", body: `{"user":"alice","role":"reader"}`, want: `{"header"`},
	{line: "POST /v3/auth/user/get", body: `{"name":"alice"}`, want: `"roles":["reader"]`},
	{line: "POST /v3/auth/user/list", body: `{}`, want: `"users":["alice","root"]`},
	{line: "POST /v3/auth/enable", body: `{}`, want: `{"header"`},
	{line: "POST /v3/auth/authenticate", body: `{"name":"alice","password":"wrong"}`, want: "authentication failed"},
	{line: "POST /v3/auth/authenticate", body: `{"name":"alice","password":"wonder"}`, want: `"token":"<alice>"`, learn: `"token":"(?P<alice>[^"]*)"`},
	{line: "POST /v3/auth/authenticate", body: `{"name":"root","password":"secret"}`, want: `"token":"<root>"`, learn: `"token":"(?P<root>[^"]*)"`},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>"}`, want: "user name is empty"},
	{line: "POST /v3/kv/range", body: `{"key":"<a/1>"}`, head: "Authorization: $alice\r\n", want: `"count":"1"`},
	{line: "POST /v3/kv/range", body: `{"key":"<b>"}`, head: "Authorization: $alice\r\n", want: "permission denied"},
	{line: "POST /v3/kv/put", body: `{"key":"<a/1>","value":"<v>"}`, head: "Authorization: $alice\r\n", want: "permission denied"},
	{line: "POST /v3/kv/put", body: `{"key":"<a/1>","value":"<v>"}`, head: "Authorization: nonsense\r\n", want: "invalid auth token"},
	{line: "POST /v3/kv/put", body: `{"key":"<a/1>","value":"<v>"}`, head: "Grpc-Metadata-Token: $root\r\n", want: `{"header"`},
	{line: "POST /v3/watch", body: `{"create_request":{"key":"<b>"}}`, head: "Authorization: $alice\r\n", events: 1, want: "permission denied"},
	{line: "POST /v3/auth/user/changepw", body: `{"name":"alice","password":"land"}`, head: "Authorization: $root\r\n", want: `{"header"`},
	{line: "POST /v3/auth/user/revoke", body: `{"name":"alice","role":"reader"}`, head: "Authorization: $root\r\n", want: `{"header"`},
	{line: "POST /v3/auth/role/delete", body: `{"role":"reader"}`, head: "Authorization: $root\r\n", want: `{"header"`},
	{line: "POST /v3/auth/disable", body: `{}`, head: "Authorization: $root\r\n", want: `{"header"`},
	{line: "POST /v3/auth/user/delete", body: `{"name":"alice"}`, want: `{"header"`},
}
