"""The inbox: mails that are shown instead of sent, for development and for whoever wants to look first."""

from mailer_svc.channels.spec import ChannelSpec, NoSettings
from tocsin.addresses import normal_address

CHANNEL = ChannelSpec(name="inbox", settings=NoSettings, normal_address=normal_address, kept=True, codes=True)
