//! What people come for: calls and conversations, what vendors told of them, what is kept and what went.

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
        deleted_at -> Nullable<Timestamptz>,
        muted_key -> Nullable<Text>,
        muted_size_bytes -> Nullable<Int8>,
        muted_sha256 -> Nullable<Text>,
        muted_at -> Nullable<Timestamptz>,
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
    /// Results that transcription services posted, until they are collected.
    provider_answers (provider, job) {
        provider -> Text,
        job -> Text,
        body -> Jsonb,
        received_at -> Timestamptz,
    }
}

diesel::table! {
    /// One row per piece that a provider has answered or works on, of transcripts that are not complete.
    transcript_pieces (transcript_id, piece) {
        transcript_id -> Uuid,
        piece -> Text,
        provider -> Text,
        provider_job -> Nullable<Text>,
        answer -> Nullable<Jsonb>,
        asked_at -> Timestamptz,
    }
}

diesel::table! {
    /// One row per answer of a provider.
    transcription_costs (id) {
        id -> Int8,
        at -> Timestamptz,
        session_id -> Nullable<Text>,
        transcript_id -> Nullable<Uuid>,
        source -> Text,
        queue_name -> Nullable<Text>,
        provider -> Text,
        model -> Text,
        piece -> Text,
        request_id -> Nullable<Text>,
        seconds -> Float8,
        trimmed_seconds -> Float8,
        amount_micros -> Int8,
        currency -> Text,
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
        counts -> Bool,
        batch_id -> Nullable<Int8>,
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
    /// Calls that no retention touches.
    legal_holds (session_id) {
        session_id -> Text,
        held_at -> Timestamptz,
        held_by -> Text,
        why -> Text,
    }
}

diesel::table! {
    /// Proof of deletion of rows, a batch each.
    call_deletions (id) {
        id -> Int8,
        what -> Text,
        source -> Text,
        calls -> Int8,
        recordings -> Int8,
        transcripts -> Int8,
        began_from -> Timestamptz,
        began_to -> Timestamptz,
        sessions_sha256 -> Text,
        policy -> Text,
        job_id -> Int8,
        deleted_at -> Timestamptz,
    }
}

diesel::table! {
    /// Proof of deletion.
    deletions (id) {
        id -> Int8,
        what -> Text,
        session_id -> Text,
        recording_id -> Text,
        object_key -> Text,
        size_bytes -> Nullable<Int8>,
        sha256 -> Nullable<Text>,
        policy -> Text,
        job_id -> Int8,
        planned_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}
