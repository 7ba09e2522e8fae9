// Package queue is the lock's queue as one gateway sees it: a mirror of what is
// in etcd, and which of its entries somebody on this gateway waits for.
//
// It is a pure state machine: every method is an event that returns effects. It
// does no I/O, has no clock and starts no goroutine, and is not safe for
// concurrent use. What it asks to be granted is a proposal: whether the entry
// really is the head is etcd's to say.
package queue

import "container/list"

// Item is an entry of the queue. Data is the caller's.
type Item[T any] struct {
	Name  string
	Index uint64
	Held  bool
	Data  T
}

// Change is an Item that came or changed or, with Deleted, went; then only its
// Name counts.
type Change[T any] struct {
	Item    Item[T]
	Deleted bool
}

// Kind is what an Effect asks for.
type Kind int

const (
	// Grant: a waited-for item has come to the head, or has been granted by
	// another gateway: make it held, for this gateway too. It is asked for once;
	// the caller answers with Forget or Retry.
	Grant Kind = iota

	// Gone: a waited-for item is no longer there. It is waited for no more.
	Gone
)

// Effect is something for the caller to do.
type Effect[T any] struct {
	Kind Kind
	Item Item[T] // with Gone: as last seen; with its Index zero if it never was

	// Of a Grant: the last item known to have stood before this one, which has
	// gone (zero if none is known), and how many stand behind it.
	AheadName  string
	AheadIndex uint64
	Behind     int
}

// Queue is the state machine. The zero Queue is not usable; see New.
type Queue[T any] struct {
	synced   bool
	revision uint64     // that the items are of
	items    *list.List // of *Item[T], by Index
	byName   map[string]*list.Element
	waits    map[string]*wait

	aheadName  string // the last item that went from the head
	aheadIndex uint64
}

// wait is an item that somebody waits for.
type wait struct {
	index uint64
	asked bool // a Grant has been asked for and not been answered
}

// New returns an empty queue that knows nothing yet.
func New[T any]() *Queue[T] {
	return &Queue[T]{
		items:  list.New(),
		byName: make(map[string]*list.Element),
		waits:  make(map[string]*wait),
	}
}

// Reset takes a listing of the whole queue, in the order of the indices, as it
// was at revision. It is the first event, and comes again whenever changes may
// have been missed.
func (q *Queue[T]) Reset(revision uint64, items []Item[T]) []Effect[T] {
	before := q.byName
	q.synced, q.revision = true, revision
	q.items, q.byName = list.New(), make(map[string]*list.Element, len(items))
	q.aheadName, q.aheadIndex = "", 0
	for _, it := range items {
		q.push(it)
	}
	var effects []Effect[T]
	for name, w := range q.waits {
		if _, there := q.find(name, w.index); there {
			effects = q.check(effects, name)
		} else if revision >= w.index {
			gone := Item[T]{Name: name}
			if el, ok := before[name]; ok && item[T](el).Index == w.index {
				gone = *item[T](el) // and not an earlier one of its name
			}
			effects = q.gone(effects, name, gone)
		}
	}
	return effects
}

// Apply takes all changes of one revision. Revisions that the queue has seen
// already are passed over.
func (q *Queue[T]) Apply(revision uint64, changes []Change[T]) []Effect[T] {
	if revision <= q.revision {
		return nil
	}
	q.revision = revision
	var effects []Effect[T]
	for _, c := range changes {
		effects = q.apply(effects, c)
	}
	for _, c := range changes {
		effects = q.check(effects, c.Item.Name)
	}
	if head := q.items.Front(); head != nil {
		effects = q.check(effects, item[T](head).Name)
	}
	return effects
}

func (q *Queue[T]) apply(effects []Effect[T], c Change[T]) []Effect[T] {
	el, there := q.byName[c.Item.Name]
	if there && !c.Deleted && item[T](el).Index == c.Item.Index {
		*item[T](el) = c.Item
		return effects
	}
	if there {
		old := *item[T](el)
		if el.Prev() == nil {
			q.aheadName, q.aheadIndex = old.Name, old.Index
		}
		q.items.Remove(el)
		delete(q.byName, old.Name)
		if w := q.waits[old.Name]; w != nil && w.index == old.Index {
			effects = q.gone(effects, old.Name, old)
		}
	}
	if !c.Deleted {
		q.push(c.Item)
	}
	return effects
}

// Wait says that somebody waits for the item of that name and index, which is or
// was in etcd.
func (q *Queue[T]) Wait(name string, index uint64) []Effect[T] {
	q.waits[name] = &wait{index: index}
	if _, there := q.find(name, index); !there && q.synced && q.revision >= index {
		return q.gone(nil, name, Item[T]{Name: name})
	}
	return q.check(nil, name)
}

// Forget says that nobody waits for the item any more.
func (q *Queue[T]) Forget(name string) { delete(q.waits, name) }

// Retry says that a Grant has failed in a way that may pass.
func (q *Queue[T]) Retry(name string) []Effect[T] {
	w := q.waits[name]
	if w == nil {
		return nil
	}
	w.asked = false
	return q.check(nil, name)
}

// Successor returns the holder and the item after it, if the holder has that
// index and the next one is waited for here and its grant has not been asked
// for. After it, the next one's grant counts as asked for.
func (q *Queue[T]) Successor(index uint64) (holder, next Item[T], ok bool) {
	head := q.items.Front()
	if head == nil || head.Next() == nil {
		return holder, next, false
	}
	holder, next = *item[T](head), *item[T](head.Next())
	w := q.waits[next.Name]
	if holder.Index != index || !holder.Held || next.Held || w == nil || w.index != next.Index || w.asked {
		return holder, next, false
	}
	w.asked = true
	return holder, next, true
}

// Find returns the item of that index, by looking at all of them.
func (q *Queue[T]) Find(index uint64) (Item[T], bool) {
	for el := q.items.Front(); el != nil; el = el.Next() {
		if it := item[T](el); it.Index == index {
			return *it, true
		}
	}
	return Item[T]{}, false
}

// Head returns the first item.
func (q *Queue[T]) Head() (Item[T], bool) {
	if head := q.items.Front(); head != nil {
		return *item[T](head), true
	}
	return Item[T]{}, false
}

// Len is how many items there are.
func (q *Queue[T]) Len() int { return q.items.Len() }

// Revision is the newest one that the queue has seen.
func (q *Queue[T]) Revision() uint64 { return q.revision }

// check asks for a grant of the item of that name where it is time to.
func (q *Queue[T]) check(effects []Effect[T], name string) []Effect[T] {
	w := q.waits[name]
	if w == nil || w.asked {
		return effects
	}
	el, there := q.find(name, w.index)
	if !there || (el.Prev() != nil && !item[T](el).Held) {
		return effects
	}
	w.asked = true
	return append(effects, Effect[T]{
		Kind:       Grant,
		Item:       *item[T](el),
		AheadName:  q.aheadName,
		AheadIndex: q.aheadIndex,
		Behind:     q.items.Len() - 1,
	})
}

func (q *Queue[T]) gone(effects []Effect[T], name string, last Item[T]) []Effect[T] {
	delete(q.waits, name)
	return append(effects, Effect[T]{Kind: Gone, Item: last})
}

// find returns the element of that name, if it has that index.
func (q *Queue[T]) find(name string, index uint64) (*list.Element, bool) {
	el, ok := q.byName[name]
	if !ok || item[T](el).Index != index {
		return nil, false
	}
	return el, true
}

// push appends an item: a new one has a greater index than all others.
func (q *Queue[T]) push(it Item[T]) {
	q.byName[it.Name] = q.items.PushBack(&it)
}

func item[T any](el *list.Element) *Item[T] { return el.Value.(*Item[T]) }
