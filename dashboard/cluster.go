package dashboard

// ClusterPath is where the page asks what the cluster is doing. It has to ask the
// gateway, because of the members it can reach only the one that its requests are
// handed on to.
const ClusterPath = Root + "/api/cluster"

// Cluster is the answer. Identifiers are lower hexadecimal, as etcdctl writes them,
// and empty where they are not known; durations are seconds. Where etcd's v2 API is
// in use, what that does not tell is 0 or left out.
type Cluster struct {
	Time    float64  `json:"time"`    // when it was so, in seconds since 1970, by the gateway's clock
	API     string   `json:"api"`     // of etcd, that the gateway uses: v3 or v2
	Leader  string   `json:"leader"`  // empty if no member that answers knows of one
	Alarms  []Alarm  `json:"alarms"`  // of all members, also of those that don't answer
	Members []Member `json:"members"` // by name; what has none comes last
}

// Alarm is one that has been raised, and not been disarmed.
type Alarm struct {
	Member string `json:"member"`
	Alarm  string `json:"alarm"` // NOSPACE or CORRUPT
}

// Member is a member of the cluster, or an endpoint of the gateway of which it is
// not known which member it is.
type Member struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"` // empty if it has not been started yet
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"` // as etcd tells them; host:port of an unknown endpoint
	Learner    bool     `json:"learner"`
	Asked      bool     `json:"asked"`   // it is one of the gateway's endpoints
	Error      string   `json:"error"`   // why there is no status, for people; empty if there is, or if it wasn't asked
	Status     *Status  `json:"status"`  // null if it does not answer, or wasn't asked
	Latency    float64  `json:"latency"` // of the status
	Metrics    *Metrics `json:"metrics"` // null if there is no status, or it keeps them elsewhere
}

// Status is what a member says of itself.
type Status struct {
	Version          string   `json:"version"`
	DBSize           int64    `json:"dbSize"`      // bytes
	DBSizeInUse      int64    `json:"dbSizeInUse"` // bytes
	DBSizeQuota      int64    `json:"dbSizeQuota"` // bytes; 0 if it doesn't tell
	RaftTerm         uint64   `json:"raftTerm"`
	RaftIndex        uint64   `json:"raftIndex"`
	RaftAppliedIndex uint64   `json:"raftAppliedIndex"`
	Revision         uint64   `json:"revision"` // v2: of the key space, an index
	Leader           string   `json:"leader"`   // as far as it knows
	Alarms           []string `json:"alarms"`   // its own, as it sees them
	Errors           []string `json:"errors"`   // in etcd's own words, without the alarms
}

// Metrics are counters of a member, from its start on. Requests and Failed are left
// out, as a whole, if it doesn't tell them, and so are the histograms.
type Metrics struct {
	// Requests that clients had handled: over v3, calls of gRPC, where a stream counts
	// at its end, without those about the cluster itself, which are mostly these; over
	// v2, what was done to the member's copy of the keys, with two reads for each time
	// that the member was asked for this.
	Requests *uint64 `json:"requests,omitempty"`

	// Those that failed; not those that their client broke off, and no reads of what is
	// not there.
	Failed *uint64 `json:"failed,omitempty"`

	FSync  *Timing `json:"fsync,omitempty"`  // of the write-ahead log
	Commit *Timing `json:"commit,omitempty"` // of the database

	// Round trips to other members, by identifier.
	Peers map[string]Peer `json:"peers"`

	// The members that it is connected with.
	ActivePeers []string `json:"activePeers"`
}

// Timing is how long something took, as a histogram's sum and count.
type Timing struct {
	Sum   float64 `json:"sum"`
	Count uint64  `json:"count"`
}

// Peer is how long it took to reach another member. Either part may be missing.
type Peer struct {
	*Timing  // as the metrics have it
	*Latency // as the v2 API's leader has it, of its followers
}

// Latency is the last one, and the average of all.
type Latency struct {
	Current float64 `json:"current"`
	Average float64 `json:"average"`
}
