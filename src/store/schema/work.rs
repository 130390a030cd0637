//! What is done about it: jobs and their attempts, who works, settings, tokens, alerts.

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
        counts -> Bool,
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
