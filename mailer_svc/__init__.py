"""mailer_svc answers *whom*: it takes messages, and sees to it that each reaches its address once.

It owns deliveries with their timelines, templates, the dev inbox, and the connections to providers. It does not know when something is due
(scheduler_svc) or what work a firing means (processor_svc), and it renders no more than the text it is given.
"""
