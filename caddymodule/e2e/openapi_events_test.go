package e2e

import (
	"context"
	"slices"
	"time"
)

// events provokes each event of an election or a lock, whose entries are made with
// method, under the name that stands in the parameter.
func (x *examiner) events(space, method, parameter string) {
	key, all := space+"/events/k", space+"/?prefix=events/"
	ask := func(ttl, name string) string { return key + "?ttl=" + ttl + "&" + parameter + "=" + name }
	remove := func(name string) probe { return probe{method: "DELETE", target: key + "?" + parameter + "=" + name} }

	streams := map[string]*stream{key: x.listen(key, ""), all: x.listen(all, "")}
	x.once(probe{method: method, target: ask("60", "first")})
	gives := x.begin(probe{method: method, target: ask("60", "second"), status: 410, code: 212})
	x.once(probe{method: "PUT", target: ask("120", "first")})
	for _, s := range streams {
		s.until("the renewal", 10*time.Second, has("renewed"))
	}
	x.once(remove("second"))
	receive(x, gives)
	third := x.begin(probe{method: method, target: ask("2", "third")})
	x.once(remove("first"))
	receive(x, third)
	for target, s := range streams {
		for _, e := range s.until("the end", 20*time.Second, has("expired")) {
			if err := x.checkEvent("/mod/v2/"+target, e.kind, e.text); err != nil {
				x.Errorf("an event of %s is %v: %v", target, e, err)
			}
		}
		_, last := s.seen()
		s.close()
		x.listen(target, last).close()
		x.once(probe{method: "HEAD", target: target, header: append([]string{"Last-Event-ID", last}, acceptEvents...)})
	}
}

func has(kind string) func([]event) bool {
	return func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.kind == kind })
	}
}

// listen begins a stream, after the event with that id if it is not empty.
func (x *examiner) listen(target, last string) *stream {
	x.Helper()
	c := probe{method: "GET", target: target, header: acceptEvents}
	if last != "" {
		c.header = append([]string{"Last-Event-ID", last}, acceptEvents...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	request := x.request(ctx, c)
	resp, err := client.Do(request)
	if err != nil {
		cancel()
		x.Fatal(err)
	}
	x.examine(c, request, reply{status: resp.StatusCode, header: resp.Header})
	return follow(x, resp, cancel, last)
}

// forgotten asks for events that etcd has forgotten.
func (x *examiner) forgotten(e *etcd) {
	if err := e.direct(x).forget(x.Context()); err != nil {
		x.Fatal(err)
	}
	// Nobody has listened to these, so the gateway does not remember either.
	for _, target := range []string{"lock/forgotten", "lock/?prefix=forgotten", "leader/forgotten", "leader/?prefix=forgotten"} {
		x.do(probe{method: "GET", target: target, header: append([]string{"Last-Event-ID", "1"}, acceptEvents...), status: 410, code: 401})
	}
}
