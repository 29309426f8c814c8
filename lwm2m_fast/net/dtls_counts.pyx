# The names under which what happened to DTLS sessions is told.


cdef dict counted(const SessionCounts *counts):
    return {
        "dtls_handshakes_begun": counts.started,
        "dtls_handshakes_done": counts.done,
        "dtls_handshakes_resumed": counts.resumed,
        "dtls_handshakes_failed": counts.failed,
        "dtls_handshakes_timed_out": counts.timed_out,
        "dtls_handshakes_over_limit": counts.refused_most,
        "dtls_sessions_over_limit": counts.refused_sessions,
        "dtls_sessions_replaced": counts.replaced,
        "dtls_sessions_displaced": counts.displaced,
        "dtls_sessions_closed": counts.closed,
        "dtls_sessions_expired": counts.expired,
        "dtls_sessions_ended": counts.ended,
        "dtls_sessions_not_loaded": counts.not_loaded,
        "dtls_addresses_moved": counts.moved,
        "dtls_saves": counts.saves,
        "dtls_wakes": counts.wakes,
        "dtls_wakes_failed": counts.wakes_failed,
        "dtls_records_received": counts.records_in,
        "dtls_records_dropped": counts.records_dropped,
        "dtls_records_sent": counts.records_out,
        "dtls_send_without_session": counts.send_unknown,
        "dtls_send_failed": counts.send_failed,
        "dtls_faults": counts.faults,
    }
