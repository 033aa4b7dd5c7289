import Postgres

/// Every named statement of the product, so that a test can prepare each against the migrated schema.
public enum Statements {
    public static let all: [Statement] =
        DirectorySQL.all + IngestSQL.all + RequestSQL.all + CitizenUpdateSQL.all + StatusSQL.all + StatusInboxSQL.all + OutboxSQL.all
        + AdministrationSQL.all + AccessKeySQL.all + ReplaySQL.all + TimelineSQL.all + NoticeSQL.all + PhotoSQL.all
        + PhotoAdministrationSQL.all + DecisionSQL.all + ContractSQL.all + QueueWatchSQL.all
        + LifecycleViewSQL.all + RefusedUpdateSQL.all + TokenSQL.all + WorkPhotoSQL.all + LifecyclePolicySQL.all + DeclarationSQL.all
        + OffboardingSQL.all
        + CredentialSQL.all
        + ReferenceSQL.all + ReferencePullSQL.all
        + AuditSQL.all + AlertSQL.all + AlertAdministrationSQL.all + AlertLinkSQL.all
        + PlaceSQL.all + LinkedPlaceSQL.all + UsageSQL.all
        + NoticeOutboxSQL.all + CitizenNoticeSQL.all + PersonSQL.all + ErasureRegisterSQL.all
        + RetentionSQL.all
        + BackupSQL.all
}
