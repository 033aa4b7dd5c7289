-- How long a CRM may take to acknowledge stood in two places, and alerts read the other one: the delays of the tenant's arrangement, in
-- open hours. What was set here goes over where nothing stands there. The column goes with a later version, when no running one reads it.
update tenants
set arrangement = jsonb_set(arrangement, '{acknowledge_within_hours}', to_jsonb(greatest(1, least(2000, (acknowledgement_minutes + 59) / 60))))
where acknowledgement_minutes is not null and not arrangement ? 'acknowledge_within_hours';

drop function bus311_unacknowledged();
