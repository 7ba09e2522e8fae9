package feed

import "sort"

// What a log keeps. A listener that has fallen behind that is cut off: it can come
// back and go on from the last ID that it has seen, as long as etcd knows what
// came after it.
const (
	maxRecords = 4096
	maxBytes   = 8 << 20
)

// log is the last records of a hub, for all of its listeners: each of them has a
// place in it, and nothing is kept for any of them.
type log struct {
	records  []entry
	first    uint64 // the number of the first of them
	size     int    // bytes
	revision uint64 // all of what came after it is there
}

type entry struct {
	Record
	revision uint64
	again    bool // that revision had been told before: etcd does not number what this is
}

// end is the number that the next record gets.
func (l *log) end() uint64 { return l.first + uint64(len(l.records)) }

// append adds what is told together. What is too much goes, but for that.
func (l *log) append(news []entry) {
	l.records = append(l.records, news...)
	for _, e := range news {
		l.size += len(e.Text)
	}
	for len(l.records) > len(news) && (len(l.records) > maxRecords || l.size > maxBytes) {
		l.size -= len(l.records[0].Text)
		l.revision = l.records[0].revision
		l.records[0] = entry{}
		l.records = l.records[1:]
		l.first++
	}
}

// after is the number of the first record after a revision.
func (l *log) after(revision uint64) uint64 {
	return l.first + uint64(sort.Search(len(l.records), func(i int) bool { return l.records[i].revision > revision }))
}

// filling says that the log is half full.
func (l *log) filling() bool { return len(l.records) > maxRecords/2 || l.size > maxBytes/2 }
