-- What a tenant has chosen for photos, within the installation's limits: kinds, bytes, number, pixels, how long they are shown, whether
-- links are copied, what blurs faces. What is not named is the installation's.
alter table tenants add column photo_policy jsonb not null default '{}' check (jsonb_typeof(photo_policy) = 'object');
grant select (photo_policy) on tenants to bus311_photos;

-- How the camera was held, as EXIF numbers it; for the city's eyes, because the copies stand upright.
alter table photos add column orientation smallint check (orientation between 1 and 8);
