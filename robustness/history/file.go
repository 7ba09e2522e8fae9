package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// line is one line of a history's file: one of these.
type line struct {
	Run   *Run   `json:"run,omitempty"`
	Op    *Op    `json:"op,omitempty"`
	Sight *Sight `json:"sight,omitempty"`
	Event *Event `json:"event,omitempty"`
}

// Save writes a history to a file, as lines of JSON.
func (h *History) Save(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	enc := json.NewEncoder(w)
	lines := []line{{Run: &h.Run}}
	for i := range h.Events {
		lines = append(lines, line{Event: &h.Events[i]})
	}
	for i := range h.Ops {
		lines = append(lines, line{Op: &h.Ops[i]})
	}
	for i := range h.Sights {
		lines = append(lines, line{Sight: &h.Sights[i]})
	}
	for _, l := range lines {
		err = errors.Join(err, enc.Encode(l))
	}
	return errors.Join(err, w.Flush(), file.Close())
}

// Load reads what Save has written.
func Load(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h := new(History)
	for dec, n := json.NewDecoder(bufio.NewReader(file)), 1; ; n++ {
		var l line
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			return h, nil
		case err != nil:
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		case l.Run != nil:
			h.Run = *l.Run
		case l.Op != nil:
			h.Ops = append(h.Ops, *l.Op)
		case l.Sight != nil:
			h.Sights = append(h.Sights, *l.Sight)
		case l.Event != nil:
			h.Events = append(h.Events, *l.Event)
		}
	}
}
