//! Captures for tests, built in memory: one small writer for each format.

use super::order::ByteOrder;

/// A pcap file.
#[derive(Clone)]
pub(super) struct PcapWriter {
    pub(super) bytes: Vec<u8>,
    order: ByteOrder,
    extra: usize,
}

impl PcapWriter {
    /// A file with this `magic` number, Ethernet and a snap length of 65535.
    pub(super) fn new(magic: u32, order: ByteOrder) -> Self {
        let mut writer = Self { bytes: Vec::new(), order, extra: if magic == 0xa1b2_cd34 { 8 } else { 0 } };
        // Version 2.4; the link type says that frames have a check sequence of 4 bytes.
        let version = if order == ByteOrder::Little { 0x0004_0002 } else { 0x0002_0004 };
        writer.words(&[magic, version, 0, 0, 65_535, 0x2400_0001]);
        if magic >> 16 == 0x1c00 {
            writer.words(&[0]);
        }
        writer
    }

    /// Adds a record.
    pub(super) fn record(&mut self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> &mut Self {
        self.words(&[seconds, fraction, data.len() as u32, original]);
        self.bytes.resize(self.bytes.len() + self.extra, 0xee);
        self.bytes.extend_from_slice(data);
        self
    }

    /// Adds numbers as they are.
    pub(super) fn words(&mut self, words: &[u32]) -> &mut Self {
        words.iter().for_each(|&word| self.bytes.extend(u32_bytes(self.order, word)));
        self
    }
}

/// A pcapng file.
#[derive(Clone)]
pub(super) struct PcapngWriter {
    pub(super) bytes: Vec<u8>,
    order: ByteOrder,
}

impl PcapngWriter {
    /// A file whose first section is of this `order`.
    pub(super) fn new(order: ByteOrder) -> Self {
        let mut writer = Self { bytes: Vec::new(), order };
        writer.section(order);
        writer
    }

    /// Begins a section.
    pub(super) fn section(&mut self, order: ByteOrder) -> &mut Self {
        self.order = order;
        let version = if order == ByteOrder::Little { 1 } else { 0x0001_0000 };
        self.block(0x0a0d_0d0a, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX], &[])
    }

    /// Describes an interface; options are codes and values.
    pub(super) fn interface(&mut self, link_type: u16, snaplen: u32, options: &[(u16, &[u8])]) -> &mut Self {
        let mut head = self.u16_bytes(link_type).to_vec();
        head.extend([0, 0]);
        head.extend(u32_bytes(self.order, snaplen));
        head.extend(self.options(options));
        self.block(1, &[], &head)
    }

    /// Adds an enhanced packet block.
    pub(super) fn packet(&mut self, interface: u32, time: u64, original: u32, data: &[u8]) -> &mut Self {
        let fields = [interface, (time >> 32) as u32, time as u32, data.len() as u32, original];
        self.block(6, &fields, data)
    }

    /// Adds an enhanced packet block that has options.
    pub(super) fn packet_with_options(&mut self, interface: u32, data: &[u8], options: &[(u16, &[u8])]) -> &mut Self {
        let mut data_and_options = data.to_vec();
        data_and_options.resize(data.len().next_multiple_of(4), 0xee);
        data_and_options.extend(self.options(options));
        self.block(6, &[interface, 0, 0, data.len() as u32, data.len() as u32], &data_and_options)
    }

    /// Adds a packet that says how many were dropped before it.
    pub(super) fn packet_after(&mut self, interface: u32, dropped: u64) -> &mut Self {
        let value = self.u64_bytes(dropped);
        self.packet_with_options(interface, b"after", &[(2, &[0; 4]), (1, b"a comment"), (4, &value)])
    }

    /// Adds a statistics block that says how many packets were dropped.
    pub(super) fn dropped(&mut self, interface: u32, packets: u64) -> &mut Self {
        let value = self.u64_bytes(packets);
        let options = self.options(&[(5, &value)]);
        self.block(5, &[interface, 0, 0], &options)
    }

    /// Adds a block of numbers and then bytes, which are padded.
    pub(super) fn block(&mut self, kind: u32, fields: &[u32], data: &[u8]) -> &mut Self {
        let length = (12 + fields.len() * 4 + data.len().next_multiple_of(4)) as u32;
        for word in [kind, length].iter().chain(fields) {
            self.bytes.extend(u32_bytes(self.order, *word));
        }
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(u32_bytes(self.order, length));
        self
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(self.u16_bytes(*code));
            bytes.extend(self.u16_bytes(value.len() as u16));
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.extend([0; 4]);
        bytes
    }

    fn u64_bytes(&self, number: u64) -> [u8; 8] {
        match self.order {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        }
    }

    fn u16_bytes(&self, number: u16) -> [u8; 2] {
        match self.order {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        }
    }
}

fn u32_bytes(order: ByteOrder, number: u32) -> [u8; 4] {
    match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}
