package dashboard

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// askV3 asks for the status, and for the metrics if there is one.
func askV3(ctx context.Context, s *Survey, e *endpoint) answer {
	var told struct {
		Header struct {
			MemberID uint64 `json:"member_id,string"`
			Revision uint64 `json:"revision,string"`
		}
		Version          string
		DBSize           int64  `json:"dbSize,string"`
		DBSizeInUse      int64  `json:"dbSizeInUse,string"`
		DBSizeQuota      int64  `json:"dbSizeQuota,string"` // since 3.6
		Leader           uint64 `json:"leader,string"`
		RaftIndex        uint64 `json:"raftIndex,string"`
		RaftAppliedIndex uint64 `json:"raftAppliedIndex,string"`
		RaftTerm         uint64 `json:"raftTerm,string"`
		Errors           []string
		IsLearner        bool
	}
	took, err := s.call(ctx, e, "/v3/maintenance/status", &told)
	if err == nil && told.Header.MemberID == 0 {
		err = errNoEtcd
	}
	if err != nil {
		return answer{err: err}
	}
	a := answer{id: hexID(told.Header.MemberID), learner: told.IsLearner, latency: took.Seconds()}
	a.status = &Status{
		Version:          told.Version,
		DBSize:           told.DBSize,
		DBSizeInUse:      told.DBSizeInUse,
		DBSizeQuota:      told.DBSizeQuota,
		RaftTerm:         told.RaftTerm,
		RaftIndex:        told.RaftIndex,
		RaftAppliedIndex: told.RaftAppliedIndex,
		Revision:         told.Header.Revision,
		Leader:           hexID(told.Leader),
		Alarms:           []string{},
		Errors:           []string{},
	}
	for _, text := range told.Errors {
		alarm, ok := parseAlarm(text)
		switch {
		case !ok:
			a.status.Errors = append(a.status.Errors, text)
			continue
		case alarm.Member == a.id:
			a.status.Alarms = append(a.status.Alarms, alarm.Alarm)
		}
		a.alarms = append(a.alarms, alarm)
	}
	m, err := e.metrics(ctx)
	if err != nil {
		return a
	}
	a.metrics = m.of(a.id)
	a.metrics.Requests, a.metrics.Failed = m.calls()
	if quota, ok := m.value(quotaMetric); ok && a.status.DBSizeQuota == 0 {
		a.status.DBSizeQuota = int64(quota)
	}
	return a
}

// alarmPattern is how a status has alarms among its errors: as Go prints them, of
// whichever member they are.
var alarmPattern = regexp.MustCompile(`^memberID:(\d+) +alarm:([A-Z]+) *$`)

func parseAlarm(text string) (Alarm, bool) {
	found := alarmPattern.FindStringSubmatch(text)
	if found == nil {
		return Alarm{}, false
	}
	id, err := strconv.ParseUint(found[1], 10, 64)
	return Alarm{hexID(id), found[2]}, err == nil
}

// hexID writes an identifier as etcdctl does; 0 is none.
func hexID(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 16)
}

// listV3 asks for the members. A linearizable list could not be had without a leader,
// which is when it is needed most.
func listV3(ctx context.Context, s *Survey, e *endpoint) ([]Member, error) {
	var told struct {
		Members []struct {
			ID         uint64 `json:",string"`
			Name       string
			PeerURLs   []string
			ClientURLs []string
			IsLearner  bool
		}
	}
	if _, err := s.call(ctx, e, "/v3/cluster/member/list", &told); err != nil {
		return nil, err
	}
	var members []Member
	for _, m := range told.Members {
		members = append(members, Member{ID: hexID(m.ID), Name: m.Name, Learner: m.IsLearner,
			PeerURLs: orEmpty(m.PeerURLs), ClientURLs: orEmpty(m.ClientURLs)})
	}
	return members, nil
}

func orEmpty(urls []string) []string {
	if urls == nil {
		return []string{}
	}
	return urls
}

const (
	errNoUser   = trouble("asks for a user, and the gateway has no username and password for it")
	errBadUser  = trouble("refuses the gateway's username or password")
	errNoLogin  = trouble("asks for a user, and cannot check the gateway's password now: without a leader, it never can")
	errNoHTTPv3 = trouble("has no v3 API over HTTP: etcd has it under that name since 3.4")
)

// call calls a method of the v3 API that only reads, and says how long it took. Where
// etcd asks for a user, it gets the gateway's: any user may know these things.
func (s *Survey) call(ctx context.Context, e *endpoint, path string, v any) (time.Duration, error) {
	token := s.login.last()
	begin := time.Now()
	r, err := e.send(ctx, http.MethodPost, path, `{}`, token, mostJSON)
	if err == nil && r.wantsUser() {
		if s.options.Username == "" {
			return 0, errNoUser
		}
		if token, err = s.login.renew(ctx, s.options, e, token); err != nil {
			return 0, err
		}
		begin = time.Now()
		r, err = e.send(ctx, http.MethodPost, path, `{}`, token, mostJSON)
	}
	took := time.Since(begin)
	switch {
	case err != nil:
		return 0, err
	case r.wantsUser():
		return 0, errBadUser
	case r.status == http.StatusNotFound:
		return 0, errNoHTTPv3
	}
	return took, r.decode(v)
}

// wantsUser says whether etcd asks for a token, or for another one.
func (r reply) wantsUser() bool {
	return r.status == http.StatusUnauthorized ||
		r.status == http.StatusBadRequest && bytes.Contains(r.body, []byte("user name is empty"))
}
