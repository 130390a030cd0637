//! The tables as diesel sees them, column for column as `migrations/` leave them (`tests/it/calls.rs` compares the two).
//! Bulk statements are written as SQL beside the questions they answer; this file keeps their column names honest.

diesel::table! {
    /// Small facts that outlive a process: watermarks and checkpoints.
    app_settings (key) {
        key -> Text,
        value -> Jsonb,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// What people changed by hand.
    audit_log (id) {
        id -> Int8,
        at -> Timestamptz,
        actor -> Text,
        action -> Text,
        why -> Nullable<Text>,
        details -> Jsonb,
    }
}

diesel::table! {
    /// One row per call.
    call_interactions (session_id) {
        session_id -> Text,
        source -> Text,
        org_id -> Nullable<Text>,
        channel -> Text,
        case_number -> Nullable<Text>,
        direction -> Nullable<Text>,
        ani -> Nullable<Text>,
        dnis -> Nullable<Text>,
        agent_id -> Nullable<Text>,
        agent_name -> Nullable<Text>,
        queue_id -> Nullable<Text>,
        queue_name -> Nullable<Text>,
        start_time -> Timestamptz,
        end_time -> Nullable<Timestamptz>,
        end_time_source -> Nullable<Text>,
        duration_seconds -> Nullable<Int4>,
        wrap_up_code -> Nullable<Text>,
        recording_id -> Nullable<Text>,
        transcript_status -> Text,
        vendor_status -> Nullable<Text>,
        closed -> Bool,
        capture_requested -> Nullable<Bool>,
        source_updated_at -> Nullable<Timestamptz>,
        older_fields -> Nullable<Jsonb>,
        raw_payload -> Jsonb,
        first_seen_at -> Timestamptz,
        synced_at -> Timestamptz,
        csat_score -> Nullable<Int4>,
        auto_csat -> Nullable<Text>,
        talk_seconds -> Nullable<Int4>,
        queue_seconds -> Nullable<Int4>,
        hold_seconds -> Nullable<Int4>,
        wrap_up_seconds -> Nullable<Int4>,
        team_name -> Nullable<Text>,
        site_name -> Nullable<Text>,
        entry_point_name -> Nullable<Text>,
        termination_type -> Nullable<Text>,
        termination_reason -> Nullable<Text>,
        terminated_by -> Nullable<Text>,
        handle_type -> Nullable<Text>,
        contact_reason -> Nullable<Text>,
        transcription_available -> Nullable<Bool>,
        recording_count -> Nullable<Int4>,
        details_payload -> Nullable<Jsonb>,
        details_updated_at -> Nullable<Timestamptz>,
        enriched_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// What people paused and scaled.
    controls (action, scope, subject) {
        action -> Text,
        scope -> Text,
        subject -> Text,
        jobs_at_once -> Nullable<Int2>,
        since -> Timestamptz,
        actor -> Text,
        why -> Nullable<Text>,
    }
}

diesel::table! {
    /// One row per recording a vendor offered for a call.
    call_recordings (session_id, recording_id) {
        session_id -> Text,
        recording_id -> Text,
        leg -> Text,
        segment -> Bool,
        status -> Text,
        channel1 -> Nullable<Text>,
        channel2 -> Nullable<Text>,
        started_at -> Nullable<Timestamptz>,
        stopped_at -> Nullable<Timestamptz>,
        object_key -> Nullable<Text>,
        size_bytes -> Nullable<Int8>,
        sha256 -> Nullable<Text>,
        codec -> Nullable<Text>,
        sample_rate_hz -> Nullable<Int4>,
        channels -> Nullable<Int2>,
        duration_ms -> Nullable<Int8>,
        flags -> Array<Text>,
        stored_at -> Nullable<Timestamptz>,
        found_at -> Timestamptz,
    }
}

diesel::table! {
    /// One row per call that the vendor's assistant summarised.
    call_summaries (session_id) {
        session_id -> Text,
        source -> Text,
        summary -> Jsonb,
        chosen_wrap_up_code -> Nullable<Text>,
        stored_at -> Timestamptz,
    }
}

diesel::table! {
    /// One row per transcript a call should have.
    call_transcripts (id) {
        id -> Uuid,
        session_id -> Text,
        leg -> Text,
        version -> Int4,
        recording_id -> Nullable<Text>,
        provider -> Text,
        model -> Nullable<Text>,
        status -> Text,
        language -> Nullable<Text>,
        transcript_text -> Nullable<Text>,
        transcript_json -> Nullable<Jsonb>,
        audio_url -> Nullable<Text>,
        error_code -> Nullable<Text>,
        error_message -> Nullable<Text>,
        flags -> Array<Text>,
        audio_seconds -> Nullable<Float8>,
        provider_request_id -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Every run that did not simply succeed.
    job_attempts (job_id, run) {
        job_id -> Int8,
        run -> Int4,
        attempt -> Int2,
        outcome -> Text,
        reason -> Text,
        error -> Nullable<Text>,
        vendor_status -> Nullable<Int4>,
        vendor_request -> Nullable<Text>,
        lease_id -> Nullable<Int8>,
        worker -> Nullable<Text>,
        started_at -> Nullable<Timestamptz>,
        ended_at -> Timestamptz,
        next_run_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// How fast work comes and goes, by the minute.
    job_rates (minute, backend, kind, source) {
        minute -> Timestamptz,
        backend -> Int4,
        kind -> Text,
        source -> Text,
        arrived -> Int8,
        done -> Int8,
        setbacks -> Int8,
        run_ms -> Int8,
    }
}

diesel::table! {
    /// Every piece of work, once.
    jobs (id) {
        id -> Int8,
        kind -> Text,
        key -> Text,
        priority -> Int2,
        state -> Text,
        open -> Bool,
        dead -> Bool,
        run_at -> Timestamptz,
        attempt -> Int2,
        max_attempts -> Int2,
        run -> Int4,
        put_off -> Int4,
        lease_id -> Nullable<Int8>,
        source -> Nullable<Text>,
        session_id -> Nullable<Text>,
        transcript_id -> Nullable<Uuid>,
        payload -> Jsonb,
        checkpoint -> Nullable<Jsonb>,
        reason -> Nullable<Text>,
        created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        batch_id -> Nullable<Int8>,
        trace_parent -> Nullable<Text>,
    }
}

diesel::table! {
    /// One row per OAuth credential, sealed.
    oauth_tokens (name) {
        name -> Text,
        org_id -> Nullable<Text>,
        access_token -> Nullable<Bytea>,
        access_expires_at -> Nullable<Timestamptz>,
        refresh_token -> Bytea,
        refresh_expires_at -> Nullable<Timestamptz>,
        scope -> Nullable<Text>,
        version -> Int8,
        refreshing_until -> Nullable<Timestamptz>,
        refreshing_by -> Nullable<Text>,
        refused_at -> Nullable<Timestamptz>,
        refused_why -> Nullable<Text>,
        seeds -> Array<Text>,
        updated_at -> Timestamptz,
        login_at -> Nullable<Timestamptz>,
        login_by -> Nullable<Text>,
        login_way -> Nullable<Text>,
        refused_since -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Elements of a page that could not be read.
    quarantined_payloads (source, fingerprint) {
        source -> Text,
        fingerprint -> Text,
        error -> Text,
        payload -> Jsonb,
        first_seen -> Timestamptz,
        last_seen -> Timestamptz,
        times_seen -> Int8,
    }
}

diesel::table! {
    /// Events that vendors sent, once each.
    webhook_events (source, event_id) {
        source -> Text,
        event_id -> Text,
        kind -> Text,
        word -> Text,
        subscription_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        sent_at -> Nullable<Timestamptz>,
        received_at -> Timestamptz,
        times_seen -> Int4,
        outcome -> Nullable<Text>,
        settled_at -> Nullable<Timestamptz>,
        job_id -> Nullable<Int8>,
        payload -> Jsonb,
    }
}

diesel::table! {
    /// Conversations that were written.
    chats (session_id) {
        session_id -> Text,
        source -> Text,
        org_id -> Text,
        channel -> Text,
        queue_name -> Nullable<Text>,
        agent_id -> Nullable<Text>,
        agent_name -> Nullable<Text>,
        started_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        completed_at -> Nullable<Timestamptz>,
        message_count -> Nullable<Int4>,
        parts_left_out -> Nullable<Int4>,
        synced_at -> Timestamptz,
    }
}

diesel::table! {
    /// Messages of conversations.
    chat_messages (session_id, message_key) {
        session_id -> Text,
        message_key -> Text,
        place -> Int4,
        sent_at -> Nullable<Timestamptz>,
        odd_time -> Nullable<Text>,
        direction -> Nullable<Text>,
        message -> Nullable<Text>,
        participant_name -> Nullable<Text>,
        participant_role -> Nullable<Text>,
        participant_user_id -> Nullable<Text>,
        participant_alias_id -> Nullable<Text>,
    }
}

diesel::table! {
    /// One row per span of the past that a person asked for.
    backfills (id) {
        id -> Int8,
        source -> Text,
        name -> Text,
        from_time -> Timestamptz,
        to_time -> Timestamptz,
        job_ids -> Array<Int8>,
        actor -> Text,
        asked_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// One row per span of time whose calls were compared with what is held.
    completeness_windows (source, org_id, window_from) {
        source -> Text,
        org_id -> Text,
        window_from -> Timestamptz,
        window_to -> Timestamptz,
        calls_listed -> Int8,
        calls_open -> Int8,
        calls_missing -> Int8,
        recordings_expected -> Int8,
        recordings_stored -> Int8,
        recordings_explained -> Int8,
        recordings_under_way -> Int8,
        recordings_missing -> Int8,
        transcripts_expected -> Int8,
        transcripts_complete -> Int8,
        transcripts_explained -> Int8,
        transcripts_under_way -> Int8,
        transcripts_missing -> Int8,
        compared_at -> Timestamptz,
    }
}

diesel::table! {
    /// One row per thing that a comparison missed.
    completeness_gaps (source, org_id, kind, subject) {
        source -> Text,
        org_id -> Text,
        kind -> Text,
        subject -> Text,
        window_from -> Timestamptz,
        start_time -> Timestamptz,
        reason -> Text,
        comparison -> Uuid,
        found_at -> Timestamptz,
        repaired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// One row per requeue by filter.
    requeue_batches (id) {
        id -> Int8,
        name -> Text,
        actor -> Text,
        why -> Nullable<Text>,
        state -> Text,
        stopped_because -> Nullable<Text>,
        orders -> Jsonb,
        as_of -> Timestamptz,
        expected -> Int8,
        jobs -> Int8,
        canary_jobs -> Nullable<Int4>,
        canary_percent -> Nullable<Int2>,
        step_microseconds -> Int8,
        paced_from -> Nullable<Timestamptz>,
        paced_after -> Int8,
        audit_id -> Nullable<Int8>,
        created_at -> Timestamptz,
        touched_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// One row per life of a worker process.
    workers (id) {
        id -> Int8,
        name -> Text,
        host -> Text,
        pid -> Int4,
        kinds -> Array<Text>,
        version -> Text,
        started_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        ended_by -> Nullable<Text>,
        draining_since -> Nullable<Timestamptz>,
        draining_by -> Nullable<Text>,
        draining_why -> Nullable<Text>,
    }
}

diesel::table! {
    /// One row per alert and thing it is about.
    alerts (name, subject) {
        name -> Text,
        subject -> Text,
        value -> Float8,
        summary -> Text,
        command -> Text,
        firing_since -> Timestamptz,
        last_seen_at -> Timestamptz,
        noted_at -> Nullable<Timestamptz>,
        resolved_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// One row per message about an alert and channel.
    alert_notices (id) {
        id -> Int8,
        message_id -> Uuid,
        channel -> Text,
        event -> Text,
        name -> Text,
        subject -> Text,
        body -> Jsonb,
        attempts -> Int4,
        try_at -> Timestamptz,
        sent_at -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
    }
}
