package dashboard

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// known is what is remembered, for as long as the gateway runs, of those that do not
// answer any more.
type known struct {
	members []Member             // as etcd listed them the last time
	ids     map[*endpoint]string // which member an endpoint was, the last time it answered
}

func newKnown() known { return known{ids: make(map[*endpoint]string)} }

// inOrderOfTrust are the answers with a status, those first that know of a leader:
// what others know of the cluster may be old.
func inOrderOfTrust(answers []answer) []answer {
	told := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.status == nil })
	slices.SortStableFunc(told, func(a, b answer) int {
		if (a.status.Leader == "") != (b.status.Leader == "") {
			return cmp.Compare(b.status.Leader, a.status.Leader)
		}
		return cmp.Compare(b.status.RaftTerm, a.status.RaftTerm)
	})
	return told
}

// cluster puts together what is known and what has been answered.
func (k *known) cluster(api string, answers []answer) Cluster {
	c := Cluster{API: api, Alarms: []Alarm{}, Members: append([]Member{}, k.members...)}
	for _, a := range answers {
		if a.status != nil {
			k.ids[a.endpoint] = a.id
		}
		m := k.member(&c, a)
		if m.Asked && (m.Status != nil || a.status == nil) {
			continue // two endpoints are one member; one answer is enough
		}
		m.Asked, m.Status, m.Latency, m.Metrics, m.Error = true, a.status, a.latency, a.metrics, ""
		m.Learner = m.Learner || a.learner
		if a.status == nil {
			m.Error = words(a.err).Error()
		}
	}
	trusted := inOrderOfTrust(answers)
	if len(trusted) > 0 {
		c.Leader = trusted[0].status.Leader
	}
	for _, a := range trusted {
		for _, alarm := range a.alarms {
			if !slices.Contains(c.Alarms, alarm) {
				c.Alarms = append(c.Alarms, alarm)
			}
		}
	}
	slices.SortFunc(c.Members, func(a, b Member) int {
		if (a.Name == "") != (b.Name == "") {
			return cmp.Compare(b.Name, a.Name)
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID), slices.Compare(a.ClientURLs, b.ClientURLs))
	})
	return c
}

// member is the row of an endpoint, a new one if it belongs to none that is there. One
// that doesn't answer is the member that it was, or the one that calls itself so.
func (k *known) member(c *Cluster, a answer) *Member {
	id := k.ids[a.endpoint]
	i := slices.IndexFunc(c.Members, func(m Member) bool { return id != "" && m.ID == id })
	if i < 0 && a.status == nil {
		i = slices.IndexFunc(c.Members, func(m Member) bool { return slices.ContainsFunc(m.ClientURLs, a.endpoint.is) })
	}
	if i < 0 {
		m := Member{ID: id, PeerURLs: []string{}, ClientURLs: []string{}}
		if a.endpoint.host != "" {
			m.ClientURLs = append(m.ClientURLs, a.endpoint.host)
		}
		c.Members, i = append(c.Members, m), len(c.Members)
	}
	return &c.Members[i]
}

// is says whether the endpoint is what a member calls itself. Whether that is with
// TLS does not matter, as something may stand between them.
func (e *endpoint) is(advertised string) bool {
	u, err := url.Parse(advertised)
	return err == nil && e.host != "" && strings.EqualFold(u.Host, e.host)
}
