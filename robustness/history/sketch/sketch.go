// Package sketch reads small histories that are written by hand, for tests. A line is
//
//	acquire 0 10ms ttl=5 value=a got=7     a request: what, when it was called and answered
//	release 1s 1.1s index=7 status=404     (answered 200, if nothing else is said)
//	acquire 2s 3s ttl=5 left               (its client went; also lost: there was no answer)
//	sight 1s 1.01s 7:a* 8:-                a look at the queue: 7 is held, and 8 has no value
//	trouble 1s 2s                          an event: trouble, stall, unwell, reload, stop, hang (of a leader), election or wrong
//
// Requests are by client 1 through gateway 1, for the lock "k", and wait without end, unless
// it says client=, gateway=, space=, key= or timeout=.
package sketch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// History reads one. It panics if there is something that it does not understand.
func History(text string) *history.History {
	r := history.NewRecorder(history.Run{})
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 3 {
			panic("sketch: " + line)
		}
		span := history.Span{From: duration(words[1]), To: duration(words[2])}
		switch rest := words[3:]; words[0] {
		case "sight":
			look(r, span, rest)
		case "trouble", history.Stall, history.Unwell, "reload", "stop", "hang", history.Election, history.Wrong:
			r.Event(event(words[0], span, rest))
		default:
			r.Op(op(history.Kind(words[0]), span, rest))
		}
	}
	return r.History()
}

func duration(text string) time.Duration {
	if text == "0" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func event(kind string, span history.Span, words []string) history.Event {
	e := history.Event{Kind: kind, Span: span, Gentle: kind == "reload", Healed: span.To}
	switch kind {
	case "stop":
		e.Kind = history.Stop
	case "hang":
		e.Kind = "hang leader"
	}
	for _, word := range words {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "gateway":
			e.Gateway = number(value)
		case "healed":
			e.Healed = duration(value)
		case "invariant":
			e.Invariant = value
		default:
			panic(fmt.Sprintf("sketch: event: %q", word))
		}
	}
	return e
}

func op(kind history.Kind, span history.Span, words []string) history.Op {
	op := history.Op{
		Client: 1, Gateway: 1, Kind: kind, Space: history.Lock, Key: "k", Call: span.From, Return: span.To, Status: 200,
	}
	if kind == history.Acquire {
		op.Timeout = history.Forever
	}
	for _, word := range words {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "client":
			op.Client = number(value)
		case "gateway":
			op.Gateway = number(value)
		case "space":
			op.Space = value
		case "key":
			op.Key = value
		case "value":
			op.Value, op.HasValue = value, true
		case "index":
			op.Index = uint64(number(value))
		case "ttl":
			op.TTL = number(value)
		case "timeout":
			op.Timeout = number(value)
		case "status":
			op.Status = number(value)
			if op.Status == 410 {
				op.Code = 212
			}
		case "code":
			op.Code = number(value)
		case "got":
			op.Got = uint64(number(value))
		case "shown":
			op.Shown = value
		case "left":
			op.Left, op.Status = true, 0
		case "lost":
			op.Status = 0
		case "waiting":
			op.Left, op.Status, op.Error = true, 0, history.GivenUp
		default:
			panic(fmt.Sprintf("sketch: %s: %q", kind, word))
		}
	}
	return op
}

func look(r *history.Recorder, at history.Span, words []string) {
	queues := make(map[history.Name][]history.Entry)
	name := history.Name{Space: history.Lock, Key: "k"}
	for _, word := range words {
		if space, ok := strings.CutPrefix(word, "space="); ok {
			name.Space = space
			continue
		}
		word, held := strings.CutSuffix(word, "*")
		index, value, ok := strings.Cut(word, ":")
		if !ok {
			panic("sketch: sight: " + word)
		}
		e := history.Entry{Index: uint64(number(index)), Held: held}
		if value != "-" {
			e.Value, e.HasValue = value, true
		}
		queues[name] = append(queues[name], e)
	}
	r.Look(at, queues)
}
