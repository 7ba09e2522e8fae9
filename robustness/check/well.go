package check

import (
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// well is that locks can be had quickly, as long as nothing is the matter. A shared machine
// may be busy with something else, though not for long, nor all the time.
func (r *report) well(h *history.History) {
	const (
		most  = 10 * time.Second
		share = 10 // of a hundred, if it is more than most
	)
	r.name = history.Name{}
	var length, sum time.Duration
	var spans []history.Span
	for _, op := range h.Ops {
		length = max(length, op.Return)
	}
	for _, e := range h.Events {
		if e.Kind != history.Unwell || slices.ContainsFunc(h.Events, func(f history.Event) bool {
			return f.Kind != history.Unwell && f.Fault() && f.Overlaps(e.Span)
		}) {
			continue
		}
		spans = append(spans, e.Span)
		if e.To-e.From > most {
			r.add("I5", e.To, "for %v, locks could not be had quickly, while nothing was the matter", e.To-e.From)
		}
	}
	for _, s := range merged(spans) { // what several gateways were at once is one time
		sum += s.To - s.From
	}
	if sum > most && sum > length*share/100 {
		r.add("I5", length, "for %v in all, locks could not be had quickly, while nothing was the matter", sum)
	}
}
